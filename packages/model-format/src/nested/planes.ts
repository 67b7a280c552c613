import { InvalidArgumentError } from "@stepdown/core";

/**
 * Bit planes of labels, and labels from bit planes.
 *
 * Labels are one byte per weight, `[rows][columns]`. Plane 0 holds the most significant of `bits` bits; a plane is bytes
 * `[rows][ceil(columns / 8)]`, column k being bit `k mod 8` (least significant first) of byte `floor(k / 8)`; surplus bits
 * of a row's last byte are 0. Both ways eight labels at a time are one 8 × 8 bit matrix, transposed in two 32-bit words
 * by three rounds of swaps (Warren, Hacker's Delight, section 7-3) instead of bit by bit.
 */

/** Bytes of one row of a plane. */
export function planeRowBytes(columns: number): number {
  return Math.ceil(columns / 8);
}

/** Splits labels into `bits` planes, most significant first. Throws `InvalidArgumentError` for labels of more bits. */
export function packPlanes(labels: Uint8Array, rows: number, columns: number, bits: number): Uint8Array[] {
  checkShape(labels.length, rows * columns, "labels", bits);
  const rowBytes = planeRowBytes(columns);
  const planes = Array.from({ length: bits }, () => new Uint8Array(rows * rowBytes));
  const byBit = planes.slice().reverse();
  const lowBits = Math.min(bits, 4);
  const last = new Uint8Array(8);
  let seen = 0;
  for (let row = 0, output = 0; row < rows; row++) {
    const end = (row + 1) * columns;
    for (let k = row * columns; k < end; k += 8, output++) {
      let source = labels;
      let at = k;
      if (end - k < 8) {
        last.fill(0).set(labels.subarray(k, end));
        source = last;
        at = 0;
      }
      let low = source[at]! | (source[at + 1]! << 8) | (source[at + 2]! << 16) | (source[at + 3]! << 24);
      let high = source[at + 4]! | (source[at + 5]! << 8) | (source[at + 6]! << 16) | (source[at + 7]! << 24);
      seen |= low | high;
      low = exchangeWithin(low);
      high = exchangeWithin(high);
      const swap = exchangeBetween(low, high);
      low ^= swap;
      high ^= swap >>> 4;
      for (let b = 0; b < lowBits; b++) byBit[b]![output] = low >>> (8 * b);
      for (let b = 4; b < bits; b++) byBit[b]![output] = high >>> (8 * b - 32);
    }
  }
  seen |= seen >>> 16;
  if (((seen | (seen >>> 8)) & 255) >>> bits !== 0) {
    throw new InvalidArgumentError(`some labels do not fit in ${bits} bits; give labels below ${2 ** bits}`);
  }
  return planes;
}

/** Joins the first `bits` planes to labels: what a precision of `bits` sees. */
export function unpackLabels(planes: readonly Uint8Array[], rows: number, columns: number, bits: number): Uint8Array {
  const rowBytes = planeRowBytes(columns);
  if (planes.length < bits) throw new InvalidArgumentError(`${bits} bits asked for, ${planes.length} planes given`);
  for (const plane of planes) checkShape(plane.length, rows * rowBytes, "plane bytes", bits);
  const byBit = planes.slice(0, bits).reverse();
  const lowBits = Math.min(bits, 4);
  const labels = new Uint8Array(rows * columns);
  for (let row = 0, input = 0; row < rows; row++) {
    const end = (row + 1) * columns;
    for (let k = row * columns; k < end; k += 8, input++) {
      let low = 0;
      let high = 0;
      for (let b = 0; b < lowBits; b++) low |= byBit[b]![input]! << (8 * b);
      for (let b = 4; b < bits; b++) high |= byBit[b]![input]! << (8 * b - 32);
      low = exchangeWithin(low);
      high = exchangeWithin(high);
      const swap = exchangeBetween(low, high);
      low ^= swap;
      high ^= swap >>> 4;
      const count = Math.min(8, end - k);
      for (let i = 0; i < count; i++) {
        labels[k + i] = low;
        low = (low >>> 8) | (high << 24);
        high >>>= 8;
      }
    }
  }
  return labels;
}

// Seen as 64 bits, eight bytes of eight, the transposition exchanges bits 7, then 14, then 28 places apart. The first two
// rounds stay within a word of four bytes.
function exchangeWithin(word: number): number {
  let swap = (word ^ (word >>> 7)) & 0x00aa00aa;
  const first = word ^ swap ^ (swap << 7);
  swap = (first ^ (first >>> 14)) & 0x0000cccc;
  return first ^ swap ^ (swap << 14);
}

/** What the third round flips in the low word; the high word flips the same bits four places lower. */
function exchangeBetween(low: number, high: number): number {
  return (low ^ ((low >>> 28) | (high << 4))) & 0xf0f0f0f0;
}

function checkShape(found: number, expected: number, what: string, bits: number): void {
  if (!Number.isInteger(bits) || bits < 1 || bits > 8) {
    throw new InvalidArgumentError(`bits must be an integer from 1 to 8, got ${bits}`);
  }
  if (found !== expected) throw new InvalidArgumentError(`expected ${expected} ${what}, got ${found}`);
}
