/** What the contract suite cannot know of this implementation: integer sums at their limits, patterns that need another path. */
import type { CodebookWeight, DenseWeight, LinearWeight, UniformWeight } from "@stepdown/core";
import { createReferenceKernels } from "@stepdown/kernels";
import { describe, expect, it } from "vitest";
import { createWasmKernels } from "./create-wasm-kernels.js";

/** `w · x` of every row by the kernels and by the reference, one token. */
async function bothProducts(weight: LinearWeight, precision: number, x: Float32Array): Promise<[number[], number[]]> {
  const results: number[][] = [];
  for (const kernels of [await createWasmKernels({ threads: 1 }), createReferenceKernels()]) {
    const input = kernels.allocate(weight.columns);
    kernels.write(input, x);
    const output = kernels.allocate(weight.rows);
    const prepared = await kernels.prepareLinear(weight);
    kernels.linear({ weights: [prepared], precision, input, outputs: [output], tokens: 1 });
    results.push([...(await kernels.read(output))]);
    await kernels[Symbol.asyncDispose]();
  }
  return [results[0]!, results[1]!];
}

/** All labels 0 (largest negative weights) in one row, all ones in the other. */
function extremeUniform(columns: number, bits: number): UniformWeight {
  const bytes = columns / 8;
  const plane = new Uint8Array(2 * bytes).fill(0xff, bytes);
  const planes = Array.from({ length: bits }, () => plane);
  return { codec: "uniform", rows: 2, columns, seedBits: 1, bits, planes, scales: Float32Array.of(1, 1) };
}

describe("integer sums of uniform weights", () => {
  it.each([1, 4, 5, 8])("do not overflow with the largest codes and activations, %i bits", async (precision) => {
    for (const columns of [64, 1024, 1088, 2048, 11008])
      for (const sign of [1, -1]) {
        const x = new Float32Array(columns).fill(3 * sign);
        const [actual, expected] = await bothProducts(extremeUniform(columns, 8), precision, x);
        actual.forEach((value, row) => {
          expect(Math.abs(value / expected[row]! - 1)).toBeLessThan(1e-6);
        });
      }
  });

  it("leave activations that cannot be split to the float path", async () => {
    const weight = extremeUniform(64, 4);
    const [zeros] = await bothProducts(weight, 4, new Float32Array(64));
    expect(zeros.map(Math.abs)).toEqual([0, 0]);
    for (const value of [1e32, 1e-37, Number.POSITIVE_INFINITY]) {
      const x = new Float32Array(64);
      x[5] = value;
      const [actual, expected] = await bothProducts(weight, 4, x);
      if (Number.isFinite(value)) expect(actual[1]! / expected[1]!).toBeCloseTo(1, 5);
      else expect(actual.every((number) => !Number.isFinite(number))).toBe(true);
    }
    const [notANumber] = await bothProducts(weight, 4, new Float32Array(64).fill(Number.NaN));
    expect(notANumber).toEqual([Number.NaN, Number.NaN]);
  });
});

/** Half-precision patterns: 1, infinity, the smallest denormal, the largest finite number. */
const PATTERNS = [0x3c00, 0x7c00, 0x0001, 0x7bff];

describe("half-precision patterns", () => {
  it("mean the same as in the reference: infinities, denormals, the largest number", async () => {
    for (const pattern of PATTERNS) {
      const weight: DenseWeight = {
        ...{ codec: "dense", type: "f16", rows: 1, columns: 16 },
        data: new Uint16Array(16).fill(pattern),
      };
      const [actual, expected] = await bothProducts(weight, 16, new Float32Array(16).fill(0.5));
      expect(actual).toEqual(expected);
    }
  });

  it.each([1, 3, 4, 5, 6, 8])("mean the same in tables of %i bits", async (bits) => {
    for (const pattern of PATTERNS) {
      const weight: CodebookWeight = {
        ...{ codec: "codebook", rows: 1, columns: 64, seedBits: bits, bits },
        planes: Array.from({ length: bits }, () => new Uint8Array(8).fill(0xff)),
        // Only the last entry is used.
        tables: new Map([[bits, new Uint16Array(2 ** bits).fill(pattern, -1)]]),
      };
      const [actual, expected] = await bothProducts(weight, bits, new Float32Array(64).fill(0.5));
      expect(actual).toEqual(expected);
    }
  });
});
