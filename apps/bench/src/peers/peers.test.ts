import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ResultDocument, variantName } from "../report/result-document.js";
import { bench } from "../test-helper/run.js";
import { findPackage } from "./find-package.js";

const config = {
  architectures: ["LlamaForCausalLM"],
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 2,
  vocab_size: 300,
  max_position_embeddings: 256,
};
const quick = ["--repetitions", "5", "--warm-up", "1", "--retries", "0", "--minimum-milliseconds", "0"];

/**
 * A stand-in with the members of node-llama-cpp that are used: a step takes 3 ms of waiting, more threads are refused
 * than there are, and a file must begin like a GGUF file.
 */
const standIn = `
import { readFileSync } from "node:fs";
export async function getLlama(options) {
  if (options.gpu !== false || options.build !== "never" || !options.skipDownload) throw new Error("would download");
  return {
    systemInfo: "AVX2 = 1 | NEON = 0",
    async loadModel({ modelPath }) {
      if (readFileSync(modelPath).subarray(0, 4).toString() !== "GGUF") throw new Error("no GGUF file");
      return {
        async dispose() {},
        async createContext({ threads, contextSize }) {
          if (threads.ideal > 2) throw new Error("too many threads");
          let length = 0;
          const add = async (tokens) => {
            length += tokens.length;
            if (length > contextSize) throw new Error("the context is full");
            await new Promise((resolve) => setTimeout(resolve, 3));
          };
          return {
            async dispose() {},
            getSequence: () => ({
              get nextTokenIndex() { return length; },
              async evaluateWithoutGeneratingNewTokens(tokens) { await add(tokens); },
              async controlledEvaluate(input) {
                await add(input);
                return input.map((one) => (Array.isArray(one) ? { next: { token: 7 } } : undefined));
              },
              async eraseContextTokenRanges([{ start }]) { length = start; },
            }),
          };
        },
      };
    },
  };
}
`;

let folder: string;
let shape: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-bench-peers-"));
  shape = join(folder, "tiny.json");
  await writeFile(shape, JSON.stringify(config));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

async function install(name: string, manifest: object, files: Record<string, string>): Promise<string> {
  const project = await mkdtemp(join(folder, "project-"));
  const target = join(project, "node_modules", name);
  await mkdir(target, { recursive: true });
  await writeFile(
    join(target, "package.json"),
    JSON.stringify({ name, version: "9.8.7", type: "module", ...manifest }),
  );
  for (const [file, text] of Object.entries(files)) await writeFile(join(target, file), text);
  return project;
}

async function run(argv: readonly string[]): Promise<{ document: ResultDocument; stderr: string }> {
  const cache = ["--cache-directory", join(folder, "cache"), "--json"];
  const { exitCode, stdout, stderr } = await bench([...argv, "--shape", shape, ...quick, ...cache]);
  expect({ exitCode, error: stderr.match(/^stepdown-bench: .*$/m)?.[0] }).toEqual({ exitCode: 0, error: undefined });
  return { document: JSON.parse(stdout) as ResultDocument, stderr };
}

describe("finding packages", () => {
  it("takes the entry that import would take, from the folder or one above it", async () => {
    const exports = {
      ".": { types: "./x.d.ts", require: "./x.cjs", import: { node: "./node.js", default: "./x.js" } },
    };
    const project = await install("@scope/thing", { exports, main: "x.cjs" }, {});
    await mkdir(join(project, "deep", "down"), { recursive: true });
    const entry = join(project, "node_modules", "@scope/thing", "node.js");
    expect(findPackage("@scope/thing", join(project, "deep", "down"))).toMatchObject({ version: "9.8.7", entry });
    expect(findPackage("@scope/other", project)).toBeUndefined();
  });

  it("goes by the manifest's main file where nothing is exported", async () => {
    const project = await install("plain", { main: "lib/main.js" }, {});
    expect(findPackage("plain", project)?.entry).toBe(join(project, "node_modules/plain/lib/main.js"));
  });
});

describe("peers beside our engine", () => {
  it("are left out with the way to install them where they are not installed", async () => {
    const { document } = await run([
      "decode",
      "--bits",
      "2",
      "--peers",
      "node-llama-cpp,wllama",
      "--peers-from",
      folder,
    ]);
    expect(document.rows.map(({ engine }) => engine)).toEqual(["wasm"]);
    expect(document.notes).toHaveLength(2);
    expect(document.notes[0]).toMatch(/^node-llama-cpp: left out; .*npm install --ignore-scripts node-llama-cpp/);
    expect(document.notes[1]).toContain("playwright-core");
  });

  it("are left out with a reason from suites that they cannot take part in", async () => {
    const { document } = await run(["decode", "--bits", "2", "--peers", "onnxruntime-node", "--peers-from", folder]);
    expect(document.notes).toEqual([expect.stringMatching(/^onnxruntime-node: left out; it runs no whole models/)]);
  });

  it.each(["decode", "prefill"])("take turns with ours in %s, in a process of their own", async (suite) => {
    const project = await install("node-llama-cpp", { exports: "./index.js" }, { "index.js": standIn });
    const tokens = suite === "decode" ? ["--context", "3"] : ["--tokens", "5"];
    const { document } = await run([
      ...[suite, "--bits", "2,4", "--threads", "1,2", "--codec", "bcq", ...tokens],
      ...["--peers", "node-llama-cpp", "--peers-from", project, "--baseline", "node-llama-cpp/Q4_0x2"],
    ]);
    const { rows, machine, notes } = document;
    expect(notes).toEqual([]);
    expect(rows.map((row) => `${row.engine}/${variantName(row)} ×${row.threads}`)).toEqual([
      ...["wasm/bcq-2 ×1", "wasm/bcq-4 ×1", "wasm/bcq-2 ×2", "wasm/bcq-4 ×2"],
      ...["node-llama-cpp/Q2_K ×1", "node-llama-cpp/Q2_K ×2", "node-llama-cpp/Q4_0 ×1", "node-llama-cpp/Q4_0 ×2"],
    ]);
    for (const row of rows) {
      expect(row).toMatchObject({ baseline: "node-llama-cpp/Q4_0 ×2", shape, model: null });
      expect(row.context).toBe(suite === "decode" ? 3 : 0);
      if (row.engine !== "wasm") expect(row.medianMilliseconds).toBeGreaterThan(2.5);
    }
    expect(machine.engines.map(({ name, threads }) => [name, threads])).toEqual([
      ["wasm", 1],
      ["wasm", 2],
      ["node-llama-cpp", 2],
    ]);
    expect(machine.engines[2]?.kernels).toBe("9.8.7, native (AVX2)");
    expect(machine.engines[2]?.notes.join(" ")).toMatch(/It used [\d.]+ % of a core while others were measured/);
  });

  it("leave single variants out with a reason, or all when they do not start", async () => {
    const project = await install("node-llama-cpp", { exports: "./index.js" }, { "index.js": standIn });
    const argv = ["decode", "--bits", "4", "--codec", "bcq", "--threads", "1,3", "--peers", "node-llama-cpp"];
    const { document } = await run([...argv, "--peers-from", project]);
    expect(document.rows.map(({ engine, threads }) => [engine, threads])).toEqual([
      ["wasm", 1],
      ["wasm", 3],
      ["node-llama-cpp", 1],
    ]);
    expect(document.notes).toEqual(["node-llama-cpp: Q4_0 left out. node-llama-cpp failed: too many threads."]);

    const broken = await install("node-llama-cpp", { exports: "./index.js" }, { "index.js": "process.exit(3);" });
    const second = await run([...argv, "--peers-from", broken]);
    expect(second.document.rows.every(({ engine }) => engine === "wasm")).toBe(true);
    expect(second.document.notes).toEqual([expect.stringContaining("exit code 3")]);
  });

  it("multiply single matrices in gemv where they do that, and are left out where not", async () => {
    const runtime = `
      export const env = {};
      export class Tensor { constructor(type, data, shape) { Object.assign(this, { type, data, shape }); } }
      export const InferenceSession = {
        async create(model, { intraOpNumThreads }) {
          if (!Buffer.from(model).includes("products")) throw new Error("no graph of products");
          if (intraOpNumThreads > 1 && Buffer.from(model).includes("MatMulNBits")) throw new Error("one thread only");
          return { async run({ x }) { return { y0: { data: x.data.slice() } }; }, async release() {} };
        },
      };`;
    const project = await install("onnxruntime-node", { type: "module", main: "main.js" }, { "main.js": runtime });
    const peers = ["--peers", "onnxruntime-node,wllama", "--peers-from", project, "--threads", "1,2"];
    const argv = ["gemv", "--shapes", "16x128", "--codec", "bcq", "--bits", "4", "--cache", "hot", ...peers, ...quick];
    const { exitCode, stdout } = await bench([...argv, "--json"]);
    expect(exitCode).toBe(0);
    const { rows, notes } = JSON.parse(stdout) as ResultDocument;
    const theirs = rows.filter(({ engine }) => engine === "onnxruntime-node");
    expect(
      theirs.map(({ codec, bits, threads, groupSize, bytes }) => [codec, bits, threads, groupSize, bytes]),
    ).toEqual([
      ["MatMul-f32", 32, 1, null, 16 * 128 * 4],
      ["MatMul-f32", 32, 2, null, 16 * 128 * 4],
      ["MatMulNBits-4-block-32", 4, 1, 32, 16 * 64 + 16 * 4 * 4],
      ["MatMulNBits-4-block-128", 4, 1, 128, 16 * 64 + 16 * 4],
    ]);
    expect(notes).toEqual([
      expect.stringMatching(/^wllama: left out; it runs no single products/),
      expect.stringMatching(/block-32 left out\. .*one thread only/),
      expect.stringMatching(/block-128 left out\. .*one thread only/),
    ]);
  });
});
