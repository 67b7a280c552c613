import type { BinaryScales, LinearWeight, Precision, SparseOutliers, WeightCodec } from "@stepdown/core";
import { createRandom, type Random } from "./checks/random.js";

/** Character of a random weight's numbers. */
export type RandomWeightKind = "normal" | "zeros" | "denormal" | "huge" | "outliers";

/** Options of {@link createRandomLinearWeight}. */
export interface RandomLinearWeightOptions {
  readonly codec: WeightCodec;
  readonly rows: number;
  readonly columns: number;
  /** Default 1. Not for dense weights. */
  readonly seedBits?: Precision;
  /** Default 4. Not for dense weights. */
  readonly bits?: Precision;
  /** Columns per group of a binary-coded weight. Default: all. */
  readonly groupSize?: number;
  /** Whether a binary-coded weight has offsets. Default `false`. */
  readonly offsets?: boolean;
  /** Groups per row of a codebook weight, each with tables of its own. Default: absent, one. */
  readonly groupCount?: number;
  /** Share of a codebook weight's numbers that are kept apart. Default 0. */
  readonly sparse?: number;
  /** Number format of a dense weight. Default `f32`. */
  readonly type?: "f32" | "f16" | "bf16";
  /** Default `normal`: magnitudes around 0.01 to 1. */
  readonly kind?: RandomWeightKind;
  /** Default 1. */
  readonly seed?: number;
}

/** Half-precision exponent fields (bias 15) per kind, lowest and number of choices; 0 is the field of denormals. */
const HALF_EXPONENTS: Readonly<Record<RandomWeightKind, readonly [number, number]>> = {
  normal: [8, 7],
  zeros: [0, 1],
  denormal: [0, 1],
  huge: [28, 3],
  outliers: [7, 2],
};
/** float32 factor on numbers in [−1, 1) per kind; the huge one leaves room for products with thousands of columns. */
const FLOAT_FACTORS: Readonly<Record<RandomWeightKind, number>> = {
  normal: 1,
  zeros: 0,
  denormal: 1e-40,
  huge: 1e30,
  outliers: 0.01,
};
/** One number in this many is an outlier, and how many times larger it is. */
const OUTLIER_INTERVAL = 37;
const OUTLIER_FACTOR = 1000;

/** A valid weight of any codec full of random labels and numbers, the same for the same options. For tests. */
export function createRandomLinearWeight(options: RandomLinearWeightOptions): LinearWeight {
  const { codec, rows, columns, seedBits = 1, bits = 4, kind = "normal", seed = 1 } = options;
  const random = createRandom(seed);
  if (codec === "dense") return denseWeight(options, kind, random);
  const nested = { rows, columns, seedBits, bits, planes: randomPlanes(rows, columns, bits, random) };
  const precisions = Array.from({ length: bits - seedBits + 1 }, (_, index) => seedBits + index);
  if (codec === "uniform") return { codec, ...nested, scales: floats(rows, kind, random) };
  if (codec === "codebook") {
    const { groupCount = 1 } = options;
    const table = (precision: Precision) => halves(rows * groupCount * 2 ** precision, kind, random);
    const tables = new Map(precisions.map((precision) => [precision, table(precision)]));
    const grouped = { codec, ...nested, ...(groupCount === 1 ? {} : { groupCount }), tables };
    if (options.sparse === undefined) return grouped;
    return { ...grouped, outliers: sparseOutliers(rows, columns, options.sparse, kind, random) };
  }
  const groupSize = options.groupSize ?? columns;
  const groups = rows * (columns / groupSize);
  const scales = (precision: Precision): BinaryScales => {
    const codes = Int8Array.from({ length: groups * precision }, () => random.below(255) - 127);
    const steps = halves(rows, kind, random);
    if (!options.offsets) return { codes, steps };
    return { codes, steps, offsets: Int8Array.from({ length: groups }, () => random.below(255) - 127) };
  };
  return {
    codec,
    ...nested,
    groupSize,
    scales: new Map(precisions.map((precision) => [precision, scales(precision)])),
  };
}

/** The first and the last row have none, so that empty rows are met. */
function sparseOutliers(
  rows: number,
  columns: number,
  share: number,
  kind: RandomWeightKind,
  random: Random,
): SparseOutliers {
  const starts = new Uint32Array(rows + 1);
  const places: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < columns; k++) {
      if (row > 0 && row < rows - 1 && random.below(1000) < 1000 * share) places.push(k);
    }
    starts[row + 1] = places.length;
  }
  return { starts, columns: Uint16Array.from(places), values: halves(places.length, kind, random) };
}

function denseWeight(
  { rows, columns, type = "f32" }: RandomLinearWeightOptions,
  kind: RandomWeightKind,
  random: Random,
): LinearWeight {
  const length = rows * columns;
  const shape = { codec: "dense", rows, columns, type } as const;
  if (type === "f32") return { ...shape, data: floats(length, kind, random) };
  if (type === "f16") return { ...shape, data: halves(length, kind, random) };
  const patterns = new Uint32Array(floats(length, kind, random).buffer);
  return { ...shape, data: Uint16Array.from(patterns, (pattern) => pattern >>> 16) };
}

/** `[rows][ceil(columns / 8)]` bytes per plane, surplus bits 0. */
function randomPlanes(rows: number, columns: number, bits: number, random: Random): Uint8Array[] {
  const stride = Math.ceil(columns / 8);
  const lastByte = columns % 8 === 0 ? 0xff : (1 << (columns % 8)) - 1;
  return Array.from({ length: bits }, () =>
    Uint8Array.from(
      { length: rows * stride },
      (_, index) => random.below(256) & (index % stride === stride - 1 ? lastByte : 0xff),
    ),
  );
}

function floats(length: number, kind: RandomWeightKind, random: Random): Float32Array {
  return Float32Array.from({ length }, (_, index) => {
    const isOutlier = kind === "outliers" && index % OUTLIER_INTERVAL === 0;
    return random.signed() * FLOAT_FACTORS[kind] * (isOutlier ? OUTLIER_FACTOR : 1);
  });
}

/** Half-precision patterns: random sign and fraction, exponent from the kind's range. */
function halves(length: number, kind: RandomWeightKind, random: Random): Uint16Array {
  const [lowest, choices] = HALF_EXPONENTS[kind];
  return Uint16Array.from({ length }, (_, index) => {
    if (kind === "zeros") return 0;
    const isOutlier = kind === "outliers" && index % OUTLIER_INTERVAL === 0;
    // Ten exponents higher is about a thousand times larger, like OUTLIER_FACTOR.
    const exponent = lowest + random.below(choices) + (isOutlier ? 10 : 0);
    return (random.below(2) << 15) | (exponent << 10) | random.below(1024);
  });
}
