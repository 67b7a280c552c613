/**
 * Other people's engines, by the name `--peers` takes. None is a dependency: each is looked for in the user's own project
 * and left out, with a reason, where it is not installed. A further one is an entry here and a program in `hosts/`.
 */

/** What is known of a peer before it is started. */
export interface PeerEntry {
  readonly title: string;
  /** Packages that must be installed; the first is imported. */
  readonly packages: readonly string[];
  /** Its program in `hosts/`. */
  readonly program: string;
  readonly runs: readonly ("model" | "product")[];
  /**
   * Share of a run in which it surely computes on one thread; lower where its processor time is known less well. As near to
   * ours as can be: whose disturbed repetitions are noticed less looks slower than it is.
   */
  readonly share: number;
  /** Said beside the installation, where a plain one does not do. */
  readonly hint?: string;
}

/** All peers. */
export const peerList: Readonly<Record<string, PeerEntry>> = {
  "node-llama-cpp": {
    title: "llama.cpp, native, in Node",
    packages: ["node-llama-cpp"],
    program: "llama-host",
    runs: ["model"],
    share: 0.9,
  },
  "onnxruntime-node": {
    title: "ONNX Runtime, native, in Node",
    packages: ["onnxruntime-node"],
    program: "onnx-host",
    runs: ["product"],
    share: 0.9,
    hint: "its own install script fetches GPU libraries; --ignore-scripts leaves them out",
  },
  "onnxruntime-web": {
    title: "ONNX Runtime on WebAssembly, in Node",
    packages: ["onnxruntime-web"],
    program: "onnx-host",
    runs: ["product"],
    share: 0.9,
  },
  wllama: {
    title: "llama.cpp on WebAssembly, in headless Chromium",
    packages: ["@wllama/wllama", "playwright-core"],
    program: "wllama-host",
    runs: ["model"],
    share: 0.5,
    hint: "and a Chromium: CHROMIUM=PATH, or one of the system's",
  },
};
