import { planeRowBytes } from "../nested/planes.js";

/**
 * Puts one bit plane of an Any-Precision `qweight` into our column order.
 *
 * The reference packs for a GPU kernel: 32-bit little-endian words `[rows][columns / 32]`; a chunk of 1024 columns (or what
 * is left) is T words, and word t holds in its byte 3 − j, most significant bit first, the eight columns from
 * `8 (T j + t)` on. So a byte of theirs is a byte of ours with its bits reversed. `columns` is a multiple of 32.
 */
export function restorePlaneOrder(words: Uint8Array, rows: number, columns: number): Uint8Array {
  const rowBytes = planeRowBytes(columns);
  const source = sourceOfBytes(columns);
  const plane = new Uint8Array(rows * rowBytes);
  for (let row = 0, base = 0; row < rows; row++, base += rowBytes) {
    for (let q = 0; q < rowBytes; q++) plane[base + q] = reversed[words[base + source[q]!]!]!;
  }
  return plane;
}

/** For every byte of a row of ours, the byte of theirs that holds the same columns. */
function sourceOfBytes(columns: number): Uint32Array {
  const source = new Uint32Array(columns / 8);
  for (let q = 0; q < source.length; q++) {
    const chunk = Math.floor(q / 128);
    const threads = 1024 * (chunk + 1) <= columns ? 32 : (columns % 1024) / 32;
    const inChunk = q - 128 * chunk;
    const j = Math.floor(inChunk / threads);
    const t = inChunk % threads;
    source[q] = 4 * (32 * chunk + t) + 3 - j;
  }
  return source;
}

const reversed = Uint8Array.from({ length: 256 }, (_, byte) => {
  let result = 0;
  for (let bit = 0; bit < 8; bit++) result |= ((byte >> bit) & 1) << (7 - bit);
  return result;
});
