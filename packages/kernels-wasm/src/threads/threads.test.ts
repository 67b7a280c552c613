/** Threads change no bits, start and end cleanly, and are done without where they cannot be had. */
import { resolveObjectURL } from "node:buffer";
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { Worker as NodeWorker } from "node:worker_threads";
import { createRandomLinearWeight } from "@stepdown/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createWasmKernels, type WasmKernelOptions } from "../create-wasm-kernels.js";
import { splitRows } from "./split-rows.js";

/** Rows enough to be divided among three threads, with a last part that is no full run. */
const [ROWS, COLUMNS] = [1031, 192];

async function productsOf(options: WasmKernelOptions, pause = 0): Promise<string[]> {
  await using kernels = await createWasmKernels(options);
  const results: string[] = [];
  for (const codec of ["bcq", "codebook", "uniform", "dense"] as const)
    for (const type of codec === "dense" ? (["f32", "f16"] as const) : (["f32"] as const)) {
      const shape = { rows: ROWS, columns: COLUMNS, groupSize: 96, bits: 8, offsets: true };
      const weight = await kernels.prepareLinear(createRandomLinearWeight({ codec, type, ...shape }));
      const bias = kernels.allocate(ROWS);
      kernels.write(
        bias,
        Float32Array.from({ length: ROWS }, (_, index) => index),
      );
      for (const tokens of [1, 41])
        for (const precision of [2, 7]) {
          const input = kernels.allocate(tokens * COLUMNS);
          kernels.write(
            input,
            Float32Array.from({ length: tokens * COLUMNS }, (_, index) => Math.sin(index * index)),
          );
          const output = kernels.allocate(tokens * ROWS);
          // Long enough for workers to fall asleep.
          if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
          kernels.linear({ weights: [weight], precision, input, outputs: [output], tokens, biases: [bias] });
          const bytes = new Uint8Array((await kernels.read(output)).buffer);
          results.push(`${codec} ${type} ${tokens} ${precision} ${createHash("sha256").update(bytes).digest("hex")}`);
        }
    }
  return results;
}

/** The worker of a browser, as far as a team needs it, on a worker of Node. */
class BrowserWorker {
  onmessage: (() => void) | undefined;
  onerror: ((event: { message: string }) => void) | undefined;
  readonly #worker: Promise<NodeWorker>;

  constructor(address: string) {
    this.#worker = this.#start(resolveObjectURL(address) as Blob);
  }

  async #start(program: Blob): Promise<NodeWorker> {
    const prelude = `const { parentPort } = require("node:worker_threads");
      const self = { postMessage: (message) => parentPort.postMessage(message), close() { parentPort.close(); } };
      parentPort.on("message", (data) => self.onmessage({ data }));`;
    const worker = new NodeWorker(`${prelude}${await program.text()}`, { eval: true, execArgv: [] });
    worker.on("message", () => this.onmessage?.());
    worker.on("error", ({ message }) => this.onerror?.({ message }));
    worker.unref();
    return worker;
  }

  postMessage(data: unknown): void {
    void this.#worker.then((worker) => worker.postMessage(data));
  }

  async terminate(): Promise<void> {
    await (await this.#worker).terminate();
  }
}

describe("threads", () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  it("compute the same bits, however many, awake or asleep", async () => {
    const expected = await productsOf({ threads: 1 });
    expect(await productsOf({ threads: 2 })).toEqual(expected);
    expect(await productsOf({ threads: 3 })).toEqual(expected);
    expect(await productsOf({ threads: 2 }, 20)).toEqual(expected);
  });

  it("keep up with memory that grows", async () => {
    await using kernels = await createWasmKernels({ threads: 2 });
    const weight = createRandomLinearWeight({ codec: "dense", rows: 1024, columns: 64 });
    const input = kernels.allocate(64);
    kernels.write(input, new Float32Array(64).fill(1));
    const results: Float32Array[] = [];
    for (let round = 0; round < 6; round++) {
      kernels.allocate(4 << 20);
      const prepared = await kernels.prepareLinear(weight);
      const output = kernels.allocate(1024);
      kernels.linear({ weights: [prepared], precision: 32, input, outputs: [output], tokens: 1 });
      results.push(await kernels.read(output));
    }
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it("are counted, and can be disposed of at once, twice, and while asleep", async () => {
    const kernels = await createWasmKernels({ threads: 3 });
    expect(kernels.capabilities.threads).toBe(3);
    await kernels[Symbol.asyncDispose]();
    await kernels[Symbol.asyncDispose]();
    const asleep = await createWasmKernels({ threads: 2 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await asleep[Symbol.asyncDispose]();
  });

  it("are one, with the reason, where memory or workers or the module cannot be shared", async () => {
    const bytes = new URL("../../dist/kernels.wasm", import.meta.url);
    await using shared = await createWasmKernels({ threads: 2, wasm: bytes });
    expect(shared.capabilities.threads).toBe(2);
    vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined);
    await using withoutWorkers = await createWasmKernels({ threads: 2 });
    expect(withoutWorkers.capabilities.threads).toBe(1);
    expect(withoutWorkers.capabilities.notes.join(" ")).toMatch(/One thread: this runtime has no workers/);
    vi.restoreAllMocks();
    vi.stubGlobal("SharedArrayBuffer", undefined);
    await using withoutMemory = await createWasmKernels({ threads: 2 });
    expect(withoutMemory.capabilities.notes.join(" ")).toMatch(/One thread: .* no shared memory/);
  });

  it("are one, with the reason, in a page that is not isolated", async () => {
    vi.stubGlobal("crossOriginIsolated", false);
    await using kernels = await createWasmKernels({ threads: 2 });
    expect(kernels.capabilities.threads).toBe(1);
    expect(kernels.capabilities.notes.join(" ")).toMatch(/One thread: this page is not cross-origin isolated/);
  });

  it("are as many as processors allow unless asked for", async () => {
    await using kernels = await createWasmKernels();
    const processors = availableParallelism();
    expect(kernels.capabilities.threads).toBeLessThanOrEqual(processors);
    expect(kernels.capabilities.threads > 1).toBe(processors > 1);
  });

  it("run on the workers of a browser with the same bits", async () => {
    const expected = await productsOf({ threads: 1 });
    vi.stubGlobal("Worker", BrowserWorker);
    const { getBuiltinModule } = process;
    vi.spyOn(process, "getBuiltinModule").mockImplementation((name: string) =>
      name === "node:worker_threads" ? undefined : getBuiltinModule(name),
    );
    await using kernels = await createWasmKernels({ threads: 3 });
    expect(kernels.capabilities.threads).toBe(3);
    expect(await productsOf({ threads: 2 })).toEqual(expected);
    vi.stubGlobal(
      "Worker",
      class {
        onerror: ((event: object) => void) | undefined;
        postMessage(): void {
          this.onerror?.({});
        }
        terminate(): void {}
      },
    );
    await using refused = await createWasmKernels({ threads: 2 });
    expect(refused.capabilities.threads).toBe(1);
    expect(refused.capabilities.notes.join(" ")).toMatch(
      /One thread: a worker did not start: .*Content-Security-Policy/,
    );
  });

  it("must be a number that makes sense", async () => {
    for (const threads of [0, 1.5, -1, Number.NaN, 1000])
      await expect(createWasmKernels({ threads })).rejects.toThrow(/threads/);
  });

  it("get rows in runs of 32, all of them once, none where work is short", () => {
    expect(splitRows(1000, 1000, 4)).toEqual([{ first: 0, count: 1000 }]);
    expect(splitRows(100, 1e9, 2)).toEqual([
      { first: 0, count: 64 },
      { first: 64, count: 36 },
    ]);
    expect(splitRows(33, 1e9, 8).map(({ count }) => count)).toEqual([32, 1]);
    expect(splitRows(31, 1e9, 8)).toEqual([{ first: 0, count: 31 }]);
  });
});
