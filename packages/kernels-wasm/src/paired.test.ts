/**
 * Binary-coded weights in whole numbers. Activations can be chosen so that tables and rounded activations are exact; then
 * products must agree with float64 sums to float32 rounding, and one wrong bit shows.
 */
import type { BinaryCodedWeight, LinearWeight } from "@stepdown/core";
import { createReferenceKernels } from "@stepdown/kernels";
import { createRandomLinearWeight } from "@stepdown/testing";
import { describe, expect, it } from "vitest";
import { createWasmKernels } from "./create-wasm-kernels.js";

/** Float32 sums of products against float64 ones, per unit of Σ |product|. */
const FLOAT_TOLERANCE = 1e-6;
/** Root mean square error relative to that of the products, the outer groups of 32 to 144 columns; measured 0.5 to 0.7 %. */
const NORMAL_ERROR = 0.009;
/** The same where every 97th activation is 15 times as large; measured 0.8 to 1.4 %. */
const OUTLIER_ERROR = 0.018;

/** The largest rounded activation in `../assembly/paired-multiply.ts`. */
const LARGEST_ACTIVATION = 12900;
/** Root mean square error of rounded activations; measured 0.006 to 0.021 %. */
const ROUNDED_ERROR = 0.0003;
/** Tokens that take look-ups at every precision, and tokens that take a tile from 3 bits on. */
const [FEW_TOKENS, MANY_TOKENS] = [2, 67];

/** rows × columns in groups: runs of 32 rows and blocks of 4 columns not full, groups of one block and of many parts. */
const SHAPES: readonly (readonly [rows: number, columns: number, groupSize: number])[] = [
  [1, 1, 1],
  [3, 13, 13],
  [31, 101, 101],
  [33, 4, 4],
  [32, 40, 8],
  [65, 12, 12],
  [17, 96, 32],
  [96, 576, 96],
  [40, 576, 576],
  [34, 584, 584],
  [70, 384, 128],
  [33, 1536, 1536],
];

interface Products {
  readonly actual: Float32Array;
  readonly expected: number[];
  /** Σ |weight · activation| per product. */
  readonly sizes: number[];
}

/** `[tokens][rows]` by the kernels, and in float64 from the weights as the reference sees them. */
async function products(weight: LinearWeight, precision: number, x: Float32Array): Promise<Products> {
  const { rows, columns } = weight;
  const tokens = x.length / columns;
  await using kernels = await createWasmKernels({ threads: 1 });
  const input = kernels.allocate(x.length);
  kernels.write(input, x);
  const output = kernels.allocate(tokens * rows);
  const prepared = await kernels.prepareLinear(weight);
  kernels.linear({ weights: [prepared], precision, input, outputs: [output], tokens });
  await using reference = createReferenceKernels();
  const table = await reference.prepareLinear(weight);
  const row = reference.allocate(columns);
  const expected = new Array<number>(tokens * rows).fill(0);
  const sizes = new Array<number>(tokens * rows).fill(0);
  for (let r = 0; r < rows; r++) {
    reference.embed({ table, precision, ids: [r], output: row });
    const w = await reference.read(row);
    for (let t = 0; t < tokens; t++)
      for (let k = 0; k < columns; k++) {
        const product = w[k]! * x[t * columns + k]!;
        expected[t * rows + r]! += product;
        sizes[t * rows + r]! += Math.abs(product);
      }
  }
  return { actual: await kernels.read(output), expected, sizes };
}

/** A repeatable sequence of numbers in [0, 1). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Whole numbers whose magnitudes sum to 127 in every block of four columns. */
function exactInput(columns: number, random: () => number): Float32Array {
  const x = new Float32Array(columns);
  for (let k = 0; k < columns; k += 4) {
    let left = 127;
    for (let j = k; j < Math.min(k + 4, columns); j++) {
      const isLast = j === k + 3 || j === columns - 1;
      const part = isLast ? left : Math.floor(random() * 50) % (left + 1);
      left -= part;
      x[j] = random() < 0.5 ? part : -part;
    }
  }
  return x;
}

/** Whole numbers, the largest of every block of four columns as large as rounded activations get. */
function wholeInput(columns: number, random: () => number): Float32Array {
  return Float32Array.from({ length: columns }, (_, k) => {
    const magnitude = k % 4 === 0 ? LARGEST_ACTIVATION : Math.floor(random() * LARGEST_ACTIVATION);
    return random() < 0.5 ? magnitude : -magnitude;
  });
}

/** The same kind of input for several tokens. */
function forTokens(tokens: number, make: () => Float32Array): Float32Array {
  return Float32Array.from(Array.from({ length: tokens }, () => [...make()]).flat());
}

/** Root mean square error relative to that of the products. */
function relativeError({ actual, expected }: Products): number {
  const error = expected.reduce((sum, value, index) => sum + (actual[index]! - value) ** 2, 0);
  return Math.sqrt(error / expected.reduce((sum, value) => sum + value ** 2, 0));
}

function expectExact({ actual, expected, sizes }: Products): void {
  const isFar = (value: number, index: number) =>
    !(Math.abs(actual[index]! - value) <= FLOAT_TOLERANCE * sizes[index]!);
  expect(expected.findIndex(isFar)).toBe(-1);
}

function normalInput(columns: number, random: () => number, outliers: boolean): Float32Array {
  return Float32Array.from({ length: columns }, (_, k) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return outliers && k % 97 === 0 ? 15 * normal : normal;
  });
}

/** Scales that halve from plane to plane, as fitted ones nearly do. */
function halvingWeight(rows: number, columns: number, groupSize: number): BinaryCodedWeight {
  const weight = createRandomLinearWeight({ codec: "bcq", rows, columns, groupSize, bits: 8 }) as BinaryCodedWeight;
  for (const [bits, { codes }] of weight.scales)
    codes.forEach((code, index) => {
      codes[index] = Math.round((90 + (Math.abs(code) % 38)) * 0.5 ** (index % bits));
    });
  return weight;
}

describe("binary-coded weights in whole numbers", () => {
  it.each(SHAPES)("are exact where rounding is: %i × %i in groups of %i", async (rows, columns, groupSize) => {
    const random = createRandom(columns + groupSize);
    for (const offsets of [false, true]) {
      const shape = { rows, columns, groupSize, bits: 8, offsets, seed: rows + columns };
      const weight = createRandomLinearWeight({ codec: "bcq", ...shape });
      // Large shapes are for the seams between runs, parts and groups, small ones for the pairs of planes.
      for (const precision of rows * columns > 20_000 ? [2, 7] : [1, 2, 3, 4, 5, 6, 7, 8]) {
        expectExact(await products(weight, precision, exactInput(columns, random)));
        const few = forTokens(FEW_TOKENS, () => exactInput(columns, random));
        expectExact(await products(weight, precision, few));
        if (precision < 3) continue;
        const many = forTokens(MANY_TOKENS, () => wholeInput(columns, random));
        expectExact(await products(weight, precision, many));
      }
    }
  });

  it.each([
    [96, false, NORMAL_ERROR],
    [576, false, NORMAL_ERROR],
    [96, true, OUTLIER_ERROR],
    [576, true, OUTLIER_ERROR],
  ])("differ little from float64 sums: groups of %i, outliers %s, at most %d", async (groupSize, outliers, limit) => {
    const weight = halvingWeight(192, 576, groupSize);
    for (const precision of [2, 3, 4, 6, 8]) {
      const random = createRandom(precision);
      const make = () => normalInput(576, random, outliers);
      expect(relativeError(await products(weight, precision, make()))).toBeLessThan(limit);
      const many = forTokens(MANY_TOKENS, make);
      expect(relativeError(await products(weight, precision, many))).toBeLessThan(
        precision < 3 ? limit : ROUNDED_ERROR,
      );
    }
  });

  it("do not overflow with the largest codes and sums", async () => {
    for (const [code, columns] of [
      [127, 144],
      [-128, 144],
      [127, 1536],
      [-128, 1536],
    ] as const)
      for (const tokens of [1, MANY_TOKENS]) {
        const weight = createRandomLinearWeight({
          codec: "bcq",
          rows: 32,
          columns,
          offsets: true,
          bits: 8,
        }) as BinaryCodedWeight;
        for (const plane of weight.planes) plane.fill(0xff);
        for (const { codes, offsets } of weight.scales.values()) {
          codes.fill(code);
          offsets!.fill(code);
        }
        const { actual, expected } = await products(weight, 8, new Float32Array(tokens * columns).fill(-1));
        expected.forEach((value, index) => {
          expect(actual[index]! / value).toBeCloseTo(1, 5);
        });
      }
  });

  it("leave activations that are too large, too small or not finite to float32 sums", async () => {
    const weight = createRandomLinearWeight({ codec: "bcq", rows: 33, columns: 96, groupSize: 32, bits: 4 });
    for (const factor of [0, 1e-38, 1e-30, 1e32]) {
      const x = normalInput(96, createRandom(1), false).map((value) => value * factor);
      const { actual, expected, sizes } = await products(weight, 4, x);
      expected.forEach((value, index) => {
        // What is left of denormals after rounding is no better than 1e-40.
        expect(Math.abs(actual[index]! - value)).toBeLessThanOrEqual(FLOAT_TOLERANCE * sizes[index]! + 1e-40);
      });
    }
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const { actual } = await products(weight, 4, new Float32Array(96).fill(value, 7, 8));
      expect(actual.every((number) => !Number.isFinite(number))).toBe(true);
    }
  });

  it("share the tables of one call where their groups agree", async () => {
    await using kernels = await createWasmKernels({ threads: 1 });
    const input = kernels.allocate(96);
    kernels.write(input, normalInput(96, createRandom(5), false));
    const shapes = [32, 96, 32].map((groupSize, index) => ({ rows: 40 + index, columns: 96, groupSize, seed: index }));
    const weights = [];
    for (const shape of shapes)
      weights.push(await kernels.prepareLinear(createRandomLinearWeight({ codec: "bcq", ...shape })));
    const outputs = shapes.map(({ rows }) => kernels.allocate(rows));
    kernels.linear({ weights, precision: 3, input, outputs, tokens: 1 });
    for (const [index, weight] of weights.entries()) {
      const alone = kernels.allocate(weight.rows);
      kernels.linear({ weights: [weight], precision: 3, input, outputs: [alone], tokens: 1 });
      expect(await kernels.read(outputs[index]!)).toEqual(await kernels.read(alone));
    }
  });
});
