/**
 * The tuned baselines as linear layers with random weights: half precision, and 4 bits with a scale per group. One thread.
 * A run does all that a product of ours does: the input is prepared from float32 every time.
 */
import { type DenseWeight, InvalidArgumentError, type LinearShape } from "@stepdown/core";
import type { LinearRunner } from "../engines/engine.js";
import { createRandomNumbers } from "../random-numbers.js";
import { randomBytes } from "../synthetic/random-patterns.js";
import { syntheticDenseWeight } from "../synthetic/synthetic-weight.js";
import { type BaselineVariant, startBaselines } from "./baseline-module.js";

/** Names on the command line. */
export const tunedKinds = ["f16-tuned", "int4-tuned"] as const;

/** One of {@link tunedKinds}. */
export type TunedKind = (typeof tunedKinds)[number];

/** Options of {@link createTunedLinear}. */
export interface TunedLinearOptions {
  readonly seed: number;
  /** Copies are made until they hold so many bytes; each run uses the next one. 0: one copy. */
  readonly copyBytes: number;
  readonly input: Float32Array;
  /** Default: relaxed SIMD where it is known. */
  readonly variant?: BaselineVariant;
}

/** A prepared layer. */
export interface TunedLinear extends LinearRunner {
  readonly bits: number;
  readonly bytes: number;
  readonly groupSize?: number;
  readonly kernels: string;
  /** The weights as numbers, for checks. */
  weights(): Float32Array;
}

/** Groups that share a scale, the widest first: the fewer, the faster, and 128 is as many as fit the 16-bit sums. */
const GROUPS = [128, 96, 64, 32];
/** Vectors of half-precision weights hold so many. */
const HALVES = 8;
/** Weights are multiples of 2^−24 below this many bits of magnitude; inputs are scaled by 2^112, so they end here. */
const LARGEST_INPUT = 32768;
const ALIGNMENT = 64;
/** Most memory that 32-bit WebAssembly addresses. */
const MAXIMUM_BYTES = 2 ** 32 - 65536;

/** Whether a baseline can hold rows of so many columns. */
export function fitsTuned(kind: TunedKind, columns: number): boolean {
  return kind === "f16-tuned" ? columns % HALVES === 0 : columns % 32 === 0;
}

/** Makes the weights and the copies. */
export async function createTunedLinear(
  kind: TunedKind,
  shape: LinearShape,
  options: TunedLinearOptions,
): Promise<TunedLinear> {
  const { rows, columns } = shape;
  if (!fitsTuned(kind, columns)) {
    throw new InvalidArgumentError(`${kind}: rows of ${columns} columns are not held; it takes multiples of 32.`);
  }
  if (!options.input.every((value) => Math.abs(value) < LARGEST_INPUT)) {
    throw new InvalidArgumentError(`${kind}: inputs must be below ${LARGEST_INPUT}.`);
  }
  const isHalf = kind === "f16-tuned";
  const weights = isHalf ? packHalves(shape, options.seed) : randomNibbles(shape, options.seed);
  const bytes = weights.data.byteLength + weights.scales.byteLength;
  const stride = align(weights.data.byteLength) + align(weights.scales.byteLength);
  const copies = Math.max(1, Math.ceil(options.copyBytes / bytes));
  const groups = columns / weights.group;
  // Input, prepared input (4 bytes per column at most), its scales and offsets, output.
  const [scaleBytes, offsetBytes] = [align(4 * groups), align(16 * groups)];
  const scratch = 2 * align(4 * columns) + scaleBytes + offsetBytes + align(4 * rows) + 2 * ALIGNMENT;
  if (copies * stride + scratch > MAXIMUM_BYTES) {
    throw new InvalidArgumentError(`${kind}: ${copies} copies do not fit in 4 GB. Lower --cold-megabytes.`);
  }
  const { exports, memory } = await startBaselines(copies * stride + scratch, options.variant);
  let free = align(exports.heapBase());
  const take = (length: number): number => {
    const at = free;
    free += align(length);
    return at;
  };
  const input = take(4 * columns);
  const prepared = take(4 * columns);
  const inputScales = take(scaleBytes);
  const offsets = take(offsetBytes);
  const output = take(4 * rows);
  new Float32Array(memory.buffer, input, columns).set(options.input);
  const places = Array.from({ length: copies }, () => {
    const place = { data: take(weights.data.byteLength), scales: take(weights.scales.byteLength) };
    new Uint8Array(memory.buffer).set(asBytes(weights.data), place.data);
    new Uint8Array(memory.buffer).set(asBytes(weights.scales), place.scales);
    return place;
  });

  let next = 0;
  return {
    copies,
    bits: isHalf ? 16 : 4,
    bytes,
    ...(isHalf ? {} : { groupSize: weights.group }),
    kernels: exports.isRelaxed() ? "wasm-relaxed-simd" : "wasm-simd",
    run() {
      const place = places[next]!;
      next = next + 1 === copies ? 0 : next + 1;
      if (isHalf) {
        exports.scaleInput(input, columns, prepared);
        exports.dotHalves(place.data, rows, columns, prepared, output, 0);
        return;
      }
      const { group } = weights;
      exports.quantizeInput(input, columns, group, prepared, inputScales, offsets);
      exports.dotNibbles(
        ...([place.data, place.scales, rows, columns, group] as const),
        ...([prepared, inputScales, offsets, output, 0] as const),
      );
    },
    result: async () => new Float32Array(memory.buffer, output, rows).slice(),
    // The memory goes with the last reference to it.
    free: () => void places.splice(0),
    weights: weights.numbers,
  };
}

interface PackedWeights {
  readonly data: Uint8Array | Uint16Array;
  readonly scales: Float32Array;
  readonly group: number;
  numbers(): Float32Array;
}

/** Half precision, the two halves of every 8 weights as low and high halves of four words. */
function packHalves(shape: LinearShape, seed: number): PackedWeights {
  const plain = (syntheticDenseWeight(shape, "f16", seed) as DenseWeight & { type: "f16" }).data as Uint16Array;
  const data = new Uint16Array(plain.length);
  for (let at = 0; at < plain.length; at += HALVES) {
    for (let i = 0; i < HALVES / 2; i++) {
      data[at + 2 * i] = plain[at + i]!;
      data[at + 2 * i + 1] = plain[at + HALVES / 2 + i]!;
    }
  }
  const numbers = (): Float32Array => Float32Array.from(plain, halfToNumber);
  return { data, scales: new Float32Array(0), group: shape.columns, numbers };
}

/** The value of a finite half-precision pattern. */
function halfToNumber(half: number): number {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return half & 0x8000 ? -size : size;
}

function randomNibbles({ rows, columns }: LinearShape, seed: number): PackedWeights {
  const random = createRandomNumbers(seed);
  const group = GROUPS.find((size) => columns % size === 0)!;
  const data = randomBytes((rows * columns) / 2, random);
  const scale = 1 / Math.sqrt(columns) / 4.6;
  const scales = Float32Array.from({ length: (rows * columns) / group }, () => scale * (0.5 + random.uniform()));
  const numbers = (): Float32Array =>
    Float32Array.from({ length: rows * columns }, (_, index) => {
      const within = index % 32;
      const byte = data[((index - within) >> 1) + (within & 15)]!;
      const code = within < 16 ? byte & 15 : byte >> 4;
      return scales[Math.floor(index / group)]! * (code - 8);
    });
  return { data, scales, group, numbers };
}

function asBytes(array: Uint8Array | Uint16Array | Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
