/** Matrix products in ONNX Runtime, native or on WebAssembly. Only the part of its interface that is used is declared. */
import { pathToFileURL } from "node:url";
import { encodeProductModel, productBytes } from "../onnx/encode-model.js";
import type { HostProgram, OpenRequest } from "./protocol.js";
import { serve } from "./serve.js";

interface Runtime {
  readonly env: { logLevel?: string; wasm?: { numThreads?: number }; versions?: Readonly<Record<string, string>> };
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
  readonly Tensor: new (type: "float32", data: Float32Array, shape: readonly number[]) => object;
}
interface Session {
  run(feeds: Readonly<Record<string, object>>): Promise<Readonly<Record<string, { data: Float32Array }>>>;
  release(): Promise<void>;
}

let runtime: Runtime;
let isWeb = false;
/** WebAssembly takes its number of threads once. */
let webThreads = 0;

const program: HostProgram = {
  async start([entry], threads) {
    const library = (await import(pathToFileURL(entry!).href)) as Runtime & { default?: Runtime };
    runtime = library.InferenceSession === undefined ? library.default! : library;
    runtime.env.logLevel = "error";
    isWeb = entry!.includes("onnxruntime-web");
    if (isWeb) {
      runtime.env.wasm!.numThreads = threads;
      webThreads = threads;
    }
    return { kernels: isWeb ? "WebAssembly" : "native" };
  },
  async open(subject) {
    if (subject.kind !== "product") throw new Error("It runs no whole models here.");
    return await openProduct(subject);
  },
};

async function openProduct(subject: Extract<OpenRequest, { kind: "product" }>) {
  const { columns, threads, copies } = subject;
  if (isWeb && threads !== webThreads) {
    throw new Error(
      `on WebAssembly it has one number of threads per run, here ${webThreads}; ask for ${threads} alone`,
    );
  }
  const session = await runtime.InferenceSession.create(encodeProductModel(subject), {
    executionProviders: [isWeb ? "wasm" : "cpu"],
    executionMode: "sequential",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  const values = Float32Array.from({ length: columns }, (_, k) => Math.sin(k + 1));
  const feeds = { x: new runtime.Tensor("float32", values, [1, columns]) };
  const first = (await session.run(feeds)).y0!.data;
  if (!first.every(Number.isFinite) || first.every((value) => value === 0)) {
    throw new Error("its products are not finite numbers, or all zero");
  }
  return {
    bytes: productBytes(subject),
    async run(runs: number) {
      const rounds = Math.ceil(runs / copies);
      for (let i = 0; i < rounds; i++) await session.run(feeds);
      return { made: rounds * copies };
    },
    close: async () => await session.release(),
  };
}

serve(program);
