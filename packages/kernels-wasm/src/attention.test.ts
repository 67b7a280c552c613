/** Attention beyond the contract suite: runs of positions, few tokens like one, threads, numbers that are hard to store. */
import type { CacheType, KernelSet } from "@stepdown/core";
import { createReferenceKernels } from "@stepdown/kernels";
import { describe, expect, it } from "vitest";
import { createWasmKernels } from "./create-wasm-kernels.js";

/** Relative to the largest value, for numbers in [−1, 1): float32 sums, and queries and weights of 16 bits over bytes. */
const TOLERANCE: Record<CacheType, number> = { f32: 2e-6, f16: 2e-6, i8: 5e-5 };
const TYPES = ["f32", "f16", "i8"] as const;

interface Shape {
  readonly type: CacheType;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDimension: number;
  /** Positions stored. */
  readonly positions: number;
  /** Tokens per call, the last ones of all positions. */
  readonly tokens: readonly number[];
  readonly window?: number;
  /** Changes the numbers that are stored. */
  readonly change?: (value: number, index: number) => number;
}

/** Outputs of the last `Σ tokens` positions. */
async function attend(kernels: KernelSet, shape: Shape): Promise<Float32Array> {
  const { type, heads, keyValueHeads, headDimension, positions, tokens, window, change = (value) => value } = shape;
  const width = keyValueHeads * headDimension;
  const cache = kernels.createKeyValueCache({ blocks: 1, keyValueHeads, headDimension, capacity: positions, type });
  const chunk = 128;
  const numbers = (count: number, seed: number) =>
    Float32Array.from({ length: count }, (_, index) => change(Math.sin(seed + index * index * 0.37), index));
  for (let position = 0; position < positions; position += chunk) {
    const count = Math.min(chunk, positions - position);
    const keys = kernels.allocate(count * width);
    const values = kernels.allocate(count * width);
    kernels.write(keys, numbers(count * width, position));
    kernels.write(values, numbers(count * width, position + 0.5));
    kernels.storeKeyValues({ cache, block: 0, keys, values, tokens: count, position });
  }
  const total = tokens.reduce((sum, count) => sum + count, 0);
  const all = Float32Array.from({ length: total * heads * headDimension }, (_, index) => 2 * Math.sin(index * index));
  const results: number[] = [];
  let done = 0;
  for (const count of tokens) {
    const length = count * heads * headDimension;
    const queries = kernels.allocate(length);
    kernels.write(queries, all.subarray(done * heads * headDimension).subarray(0, length));
    const output = kernels.allocate(length);
    const position = positions - total + done;
    const call = { cache, block: 0, queries, output, tokens: count, heads, position, scale: headDimension ** -0.5 };
    kernels.attend(window === undefined ? call : { ...call, window });
    results.push(...(await kernels.read(output)));
    done += count;
  }
  return Float32Array.from(results);
}

async function both(shape: Shape): Promise<[Float32Array, Float32Array]> {
  await using kernels = await createWasmKernels({ threads: 1 });
  await using reference = createReferenceKernels();
  return [await attend(kernels, shape), await attend(reference, shape)];
}

const grouped = { heads: 6, keyValueHeads: 2, headDimension: 32 };

describe.each(TYPES)("attention over a cache of %s", (type) => {
  it("agrees with the reference over several runs of positions, in groups of 1 to 9 query heads", async () => {
    for (const [heads, keyValueHeads, headDimension] of [
      [2, 2, 64],
      [4, 2, 20],
      [9, 3, 64],
      [5, 1, 40],
      [9, 1, 128],
    ] as const)
      for (const [positions, window] of [
        [257, undefined],
        [517, undefined],
        [517, 131],
        [517, 300],
      ] as const) {
        const shape = { type, heads, keyValueHeads, headDimension, positions, tokens: [1, 3], window };
        const [actual, expected] = await both(shape);
        const furthest = expected.reduce((most, value, index) => Math.max(most, Math.abs(value - actual[index]!)), 0);
        expect(furthest, JSON.stringify(shape)).toBeLessThan(TOLERANCE[type]);
      }
  });

  it("gives a token the same bits alone and among few others", async () => {
    await using kernels = await createWasmKernels({ threads: 1 });
    for (const positions of [70, 600]) {
      const alone = await attend(kernels, { type, ...grouped, positions, tokens: new Array(10).fill(1) });
      expect(await attend(kernels, { type, ...grouped, positions, tokens: [10] })).toEqual(alone);
      expect(await attend(kernels, { type, ...grouped, positions, tokens: [3, 7] })).toEqual(alone);
    }
  });

  it("computes the same bits on any number of threads", async () => {
    await using one = await createWasmKernels({ threads: 1 });
    await using three = await createWasmKernels({ threads: 3 });
    for (const tokens of [[1, 2], [150]]) {
      const shape = { type, heads: 12, keyValueHeads: 4, headDimension: 64, positions: 700, tokens };
      expect(await attend(three, shape)).toEqual(await attend(one, shape));
    }
  });

  it.each([
    ["zeros", () => 0],
    ["denormals", (value: number) => value * 1e-40],
    ["huge numbers", (value: number) => value * 1e4],
    ["an outlier in every vector", (value: number, index: number) => (index % 32 === 5 ? 60 * value : value)],
  ] as const)("stores %s like the reference", async (_, change) => {
    const [actual, expected] = await both({ type, ...grouped, positions: 67, tokens: [1, 16], change });
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    // Scores of hundreds and more: what rounding does to them shifts weights between positions.
    const limit = 400 * TOLERANCE[type] * largest + 1e-38;
    expected.forEach((value, index) => {
      expect(Math.abs(actual[index]! - value)).toBeLessThanOrEqual(limit);
    });
  });

  it("does not hide infinities and what is no number", async () => {
    for (const value of [Number.POSITIVE_INFINITY, Number.NaN, 1e6]) {
      const change = (normal: number, index: number) => (index === 40 ? value : normal);
      const [actual, expected] = await both({ type, ...grouped, positions: 5, tokens: [1], change });
      expect([...actual].map(Number.isFinite)).toEqual([...expected].map(Number.isFinite));
    }
  });
});
