/**
 * Random weights in the block types of GGUF: random codes, with scales at which a row's weights have a root mean square of
 * about columns^(−1/2), as trained layers have. Half-precision scales stay normal numbers: denormal ones would time the
 * conversion, not the product.
 *
 * | type | block | what is set beside random codes |
 * |---|---|---|
 * | Q8_0 | 32 | h d before 32 × i8 |
 * | Q4_0, IQ4_NL | 32 | h d before 16 bytes of nibbles |
 * | Q2_K | 256 | 16 × (scale = minimum), h d and h dmin behind the codes |
 * | Q3_K | 256 | h d behind the codes |
 * | Q6_K | 256 | 16 × i8 scale and h d behind the codes |
 */
import { float32ToFloat16, ggufTypes } from "@stepdown/model-format";
import { createRandomNumbers } from "../random-numbers.js";
import { randomBytes } from "../synthetic/random-patterns.js";

interface BlockLayout {
  readonly number: number;
  readonly weights: number;
  readonly bytes: number;
  /** Root mean square of a block's weights over its scale d. */
  readonly spread: number;
  /** Sets what is not random in the block at `at`; `d` is the scale, 16 bits of half precision. */
  fix(bytes: Uint8Array, at: number, d: number, minimum: number): void;
}

/** `dmin / d` of Q2_K: codes 0 to 3 are centred by 1.5 times the scale. */
const CENTRE = 1.5;

function layout(name: string, spread: number, fix: BlockLayout["fix"]): readonly [string, BlockLayout] {
  const [number, { blockWeights, blockBytes }] = [...ggufTypes].find(([, type]) => type.name === name)!;
  return [name, { number, weights: blockWeights, bytes: blockBytes, spread, fix }];
}

function setHalf(bytes: Uint8Array, at: number, half: number): void {
  bytes[at] = half & 255;
  bytes[at + 1] = half >> 8;
}

const layouts: ReadonlyMap<string, BlockLayout> = new Map([
  layout("Q8_0", 74, setHalf),
  layout("Q4_0", 4.6, setHalf),
  layout("IQ4_NL", 67, setHalf),
  layout("Q2_K", 13, (bytes, at, d, minimum) => {
    for (let i = 0; i < 16; i++) {
      const scale = 8 | (bytes[at + i]! & 7);
      bytes[at + i] = scale | (scale << 4);
    }
    setHalf(bytes, at + 80, d);
    setHalf(bytes, at + 82, minimum);
  }),
  layout("Q3_K", 43, (bytes, at, d) => setHalf(bytes, at + 108, d)),
  layout("Q6_K", 103, (bytes, at, d) => {
    for (let i = 0; i < 16; i++) bytes[at + 192 + i] = 4 + (bytes[at + 192 + i]! & 3);
    setHalf(bytes, at + 208, d);
  }),
]);

/** Whether rows of so many columns are a whole number of blocks. */
export function fitsBlocks(type: string, columns: number): boolean {
  return columns % layoutOf(type).weights === 0;
}

/** Number of the type in a file, and bytes of a matrix. */
export function blockFacts(type: string, rows: number, columns: number): { type: number; bytes: number } {
  const { number, weights, bytes } = layoutOf(type);
  return { type: number, bytes: ((rows * columns) / weights) * bytes };
}

/** The blocks of a random matrix. */
export function randomBlocks(type: string, rows: number, columns: number, seed: number): Uint8Array {
  const { bytes: blockBytes, spread, fix } = layoutOf(type);
  const data = randomBytes(blockFacts(type, rows, columns).bytes, createRandomNumbers(seed));
  const scale = 1 / Math.sqrt(columns) / spread;
  const [d, minimum] = float32ToFloat16(Float32Array.of(scale, scale * CENTRE)) as unknown as [number, number];
  for (let at = 0; at < data.length; at += blockBytes) fix(data, at, d, minimum);
  return data;
}

function layoutOf(type: string): BlockLayout {
  const found = layouts.get(type);
  if (found === undefined) throw new Error(`There are no random blocks of type ${type}.`);
  return found;
}
