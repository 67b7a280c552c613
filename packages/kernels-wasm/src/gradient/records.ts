/** Numbers shared with `assembly/gradient-jobs.ts`: operations, and sizes that records are laid out by. */

/** First word of a record. */
export const OPERATIONS = {
  pack: 0,
  multiply: 1,
  attend: 2,
  attendBackward: 3,
  sumHeads: 4,
  normalize: 5,
  normalizeBackward: 6,
  rotate: 7,
  gate: 8,
  gateBackward: 9,
  crossEntropy: 10,
  add: 11,
  addBias: 12,
  meanSquares: 13,
} as const;

/** Word 13 of a product. */
export const MODES = { store: 0, add: 1, "add-square": 2 } as const;

/** Depth of a block whose sums stay in registers. */
export const BLOCK_DEPTH = 256;
/** Columns of a product per part. */
export const PART_COLUMNS = 32;
/** Rows of a product's left side that one part packs; a multiple of 4. */
export const PACKED_ROWS = 32;
/** Queries per block of attention. */
export const ATTENTION_ROWS = 64;
/** Bytes at the beginning of a product's scratch that its blocks at the edge use. */
export const SPARE_BYTES = 256;

/** A float32 number as the word of a record. */
export function realWord(value: number): number {
  return new Int32Array(Float32Array.of(value).buffer)[0]!;
}
