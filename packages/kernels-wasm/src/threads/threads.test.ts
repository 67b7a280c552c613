/** Threads change no bits, start and end cleanly, and are done without where they cannot be had. */
import { createHash } from "node:crypto";
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
