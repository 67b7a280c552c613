import type { KernelSet } from "@stepdown/core";
import { expectEqual, expectRefusal } from "../checks/expectations.js";
import { expectNear, type KernelCheck, type KernelSets, onBoth, withScratch } from "./scratch.js";
import { type InputKind, largestPerRow, randomInput } from "./shapes.js";
import { NEGLIGIBLE, NORMALIZE_TOLERANCE, ROTATE_TOLERANCE, SILU_TOLERANCE, SOFTMAX_TOLERANCE } from "./tolerances.js";

const REFUSED = ["InvalidArgumentError"] as const;
const NORMALIZE_SHAPES = [
  [1, 1],
  [1, 8],
  [3, 13],
  [2, 96],
  [5, 576],
  [17, 40],
  [1, 2049],
] as const;
/** Heads, head dimension, leading elements that turn, first position, tokens. */
const ROTATE_SHAPES = [
  [1, 2, 2, 0, 1],
  [3, 8, 8, 5, 2],
  [2, 6, 4, 0, 3],
  [9, 64, 64, 37, 5],
  [4, 80, 20, 11, 2],
  [1, 128, 128, 300, 1],
] as const;
const LENGTHS = [1, 3, 17, 64, 1001] as const;
/** Arguments of silu where the exponential over- or underflows, and around zero. */
const SILU_EXTREMES = [-1e30, -1e4, -104, -88, -20, -1e-30, -0, 0, 1e-30, 0.5, 20, 88, 104, 1e4, 1e30];

interface Normalization {
  readonly tokens: number;
  readonly columns: number;
  readonly input: Float32Array;
  readonly epsilon: number;
  readonly inPlace: boolean;
  readonly bias: boolean;
}

async function normalize(kernels: KernelSet, kind: "rms" | "layer", call: Normalization): Promise<Float32Array> {
  const { tokens, columns, epsilon } = call;
  return withScratch(kernels, async (scratch) => {
    const input = scratch.buffer(call.input);
    const output = call.inPlace ? input : scratch.empty(tokens * columns);
    const weight = scratch.buffer(randomInput(columns, 5));
    const common = { input, output, weight, epsilon, tokens, columns };
    if (kind === "rms") kernels.rmsNormalize(common);
    else kernels.layerNormalize(call.bias ? { ...common, bias: scratch.buffer(randomInput(columns, 6)) } : common);
    return kernels.read(output);
  });
}

async function compareNormalization(sets: KernelSets, kind: "rms" | "layer"): Promise<void> {
  const cases: Normalization[] = [];
  for (const [index, [tokens, columns]] of NORMALIZE_SHAPES.entries())
    for (const inPlace of [false, true]) {
      const input = randomInput(tokens * columns, index);
      cases.push({ tokens, columns, input, epsilon: 1e-5, inPlace, bias: inPlace });
    }
  const shape = { tokens: 2, columns: 96, inPlace: false, bias: true };
  for (const inputKind of ["zeros", "denormal", "outliers", "constant"] as InputKind[])
    cases.push({ ...shape, input: randomInput(192, 1, inputKind), epsilon: 1e-6 });
  // Squares of these stay inside float32; a mean far from zero shows one-pass variances.
  cases.push({ ...shape, input: randomInput(192, 1).map((value) => value * 1e15), epsilon: 1e-6 });
  cases.push({ ...shape, input: randomInput(192, 1).map((value) => value + 30), epsilon: 1e-6 });
  for (const call of cases) {
    const expected = await normalize(sets.reference, kind, call);
    const actual = await normalize(sets.candidate, kind, call);
    const { columns, input, epsilon } = call;
    const spread = kind === "rms" ? [] : inputOverDeviation(input, columns, epsilon);
    const allowed = (index: number) => {
      // Subtracting the mean loses what lies below the largest input's last bit; the bias adds at most 1.
      const extra = kind === "rms" ? 0 : spread[Math.floor(index / columns)]! + 1;
      return (Math.abs(expected[index]!) + extra) * NORMALIZE_TOLERANCE * sets.toleranceFactor + NEGLIGIBLE;
    };
    const label = `${kind} norm of ${call.tokens} × ${columns}${call.inPlace ? " in place" : ""}`;
    expectNear(actual, expected, allowed, label);
  }
}

/** Per row the largest input in units of the standard deviation. */
function inputOverDeviation(input: Float32Array, columns: number, epsilon: number): number[] {
  return largestPerRow(input, columns).map((largest, index) => {
    const row = input.subarray(index * columns, (index + 1) * columns);
    const mean = row.reduce((sum, value) => sum + value, 0) / columns;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / columns;
    return largest / Math.sqrt(variance + epsilon);
  });
}

async function compareRotation(sets: KernelSets, shape: (typeof ROTATE_SHAPES)[number]): Promise<void> {
  const [heads, headDimension, rotaryDimension, position, tokens] = shape;
  const half = rotaryDimension / 2;
  const angles = Array.from({ length: (position + tokens) * half }, (_, index) => {
    return Math.floor(index / half) * 10000 ** (-(index % half) / half);
  });
  const input = randomInput(tokens * heads * headDimension, heads + position);
  const { actual, expected } = await onBoth(sets, async (scratch) => {
    const target = scratch.buffer(input);
    const tables = { cosines: scratch.buffer(angles.map(Math.cos)), sines: scratch.buffer(angles.map(Math.sin)) };
    scratch.kernels.rotate({ target, ...tables, tokens, heads, headDimension, rotaryDimension, position });
    return scratch.kernels.read(target);
  });
  const allowed = (index: number) => {
    const element = index % headDimension;
    if (element >= rotaryDimension) return 0;
    const partner = element < half ? index + half : index - half;
    const magnitude = Math.abs(input[index]!) + Math.abs(input[partner]!);
    return magnitude * ROTATE_TOLERANCE * sets.toleranceFactor + NEGLIGIBLE;
  };
  expectNear(actual, expected, allowed, `rotation of [${shape}]`);
}

/** Norms, rotary embedding, elementwise operations and softmax. */
export const activationChecks: readonly KernelCheck[] = [
  { name: "normalizes by root mean square, in place too", check: (sets) => compareNormalization(sets, "rms") },
  { name: "normalizes by mean and variance, in place too", check: (sets) => compareNormalization(sets, "layer") },
  {
    name: "rotates the leading elements of every head by the token's position",
    async check(sets) {
      for (const shape of ROTATE_SHAPES) await compareRotation(sets, shape);
    },
  },
  {
    name: "adds exactly, and only as many numbers as asked",
    async check(sets) {
      for (const length of LENGTHS) {
        const { actual, expected } = await onBoth(sets, async (scratch) => {
          const target = scratch.buffer(randomInput(length + 3, length));
          scratch.kernels.add(target, scratch.buffer(randomInput(length + 3, 1)), length);
          return scratch.kernels.read(target);
        });
        expectNear(actual, expected, () => 0, `add of ${length}`);
      }
    },
  },
  {
    name: "multiplies with silu, and only as many numbers as asked",
    async check(sets) {
      for (const length of [...LENGTHS, SILU_EXTREMES.length]) {
        const isExtreme = length === SILU_EXTREMES.length;
        const gates = isExtreme ? [...SILU_EXTREMES, 1] : [...randomInput(length, 3).map((value) => value * 9), 1];
        const ups = isExtreme ? new Array(length + 1).fill(-1) : randomInput(length + 1, 4);
        const { actual, expected } = await onBoth(sets, async (scratch) => {
          const gate = scratch.buffer(gates);
          scratch.kernels.siluMultiply(gate, scratch.buffer(ups), length);
          return scratch.kernels.read(gate);
        });
        const allowed = (index: number) =>
          index === length ? 0 : Math.abs(expected[index]!) * SILU_TOLERANCE * sets.toleranceFactor + NEGLIGIBLE;
        expectNear(actual, expected, allowed, `silu of ${length}`);
      }
    },
  },
  {
    name: "takes the softmax of rows with small, equal and enormous numbers",
    async check(sets) {
      const cases: [number, number, Float32Array][] = [
        [1, 1, Float32Array.of(-1e30)],
        [3, 17, randomInput(51, 1).map((value) => value * 10)],
        [2, 1000, randomInput(2000, 2).map((value) => value * 60)],
        [5, 33, new Float32Array(165).fill(1e30)],
        [1, 5, Float32Array.of(1e4, -1e4, 9999, -1e30, 1e4)],
      ];
      for (const [rows, columns, values] of cases) {
        const { actual, expected } = await onBoth(sets, async (scratch) => {
          const buffer = scratch.buffer([...values, 7]);
          scratch.kernels.softmax(buffer, rows, columns);
          return scratch.kernels.read(buffer);
        });
        const allowed = (index: number) =>
          index === values.length ? 0 : expected[index]! * SOFTMAX_TOLERANCE * sets.toleranceFactor + NEGLIGIBLE;
        expectNear(actual, expected, allowed, `softmax of ${rows} × ${columns}`);
      }
    },
  },
  {
    name: "refuses activations whose shapes do not fit, and leaves them alone",
    async check({ candidate }) {
      await withScratch(candidate, async (scratch) => {
        const eight = scratch.buffer([1, 2, 3, 4, 5, 6, 7, 8]);
        const four = scratch.empty(4);
        const norm = { input: eight, weight: four, output: scratch.empty(8), epsilon: 1e-5, tokens: 2, columns: 4 };
        const turn = { target: eight, cosines: four, sines: four, tokens: 2, heads: 1, headDimension: 4 };
        const rotation = { ...turn, rotaryDimension: 4, position: 0 };
        candidate.rmsNormalize(norm);
        candidate.layerNormalize(norm);
        const calls: Record<string, () => void> = {
          "an rms norm with a short weight": () => candidate.rmsNormalize({ ...norm, columns: 8, tokens: 1 }),
          "an rms norm with a short input": () => candidate.rmsNormalize({ ...norm, input: four }),
          "an rms norm with a short output": () => candidate.rmsNormalize({ ...norm, output: four }),
          "an rms norm of no tokens": () => candidate.rmsNormalize({ ...norm, tokens: 0 }),
          "a layer norm with a short bias": () => candidate.layerNormalize({ ...norm, bias: scratch.empty(3) }),
          "a layer norm with a short input": () => candidate.layerNormalize({ ...norm, input: four }),
          "a rotation beyond the tables": () => candidate.rotate({ ...rotation, position: 1 }),
          "a rotation of a short target": () => candidate.rotate({ ...rotation, heads: 2 }),
          "a rotation of an odd number": () => candidate.rotate({ ...rotation, rotaryDimension: 3 }),
          "a rotation of more than a head": () => candidate.rotate({ ...rotation, rotaryDimension: 6 }),
          "a rotation before the start": () => candidate.rotate({ ...rotation, position: -1 }),
          "an add beyond the source": () => candidate.add(eight, four, 5),
          "an add beyond the target": () => candidate.add(four, eight, 5),
          "an add of a negative number": () => candidate.add(eight, four, -1),
          "a silu beyond its second buffer": () => candidate.siluMultiply(eight, four, 5),
          "a softmax beyond its buffer": () => candidate.softmax(eight, 3, 3),
          "a softmax of half a row": () => candidate.softmax(eight, 0.5, 4),
        };
        for (const [what, call] of Object.entries(calls)) await expectRefusal(call, REFUSED, what);
        expectEqual([...(await candidate.read(eight))], [1, 2, 3, 4, 5, 6, 7, 8], "a buffer after refused calls");
      });
    },
  },
];
