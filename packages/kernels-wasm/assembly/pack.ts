/** Once per weight: from the stored planes (bit k mod 8 of byte k / 8 is column k) to the layouts the kernels read. */
import { unpackRow } from "./unpack";

/** Transposes the 8×8 bit matrix in each 64-bit lane: bit b of byte i becomes bit i of byte b. */
// @ts-ignore: decorator
@inline
function transposeBits(x: v128): v128 {
  let t = v128.and(v128.xor(x, i64x2.shr_u(x, 7)), i64x2.splat(0x00aa00aa00aa00aa));
  x = v128.xor(x, v128.xor(t, i64x2.shl(t, 7)));
  t = v128.and(v128.xor(x, i64x2.shr_u(x, 14)), i64x2.splat(0x0000cccc0000cccc));
  x = v128.xor(x, v128.xor(t, i64x2.shl(t, 14)));
  t = v128.and(v128.xor(x, i64x2.shr_u(x, 28)), i64x2.splat(0x00000000f0f0f0f0));
  return v128.xor(x, v128.xor(t, i64x2.shl(t, 28)));
}

/** Turns the rows of one plane, padded to `columns`, in place into the block layout of `unpack.ts`. */
export function transposePlane(plane: usize, rows: i32, columns: i32): void {
  for (; rows > 0; rows--) {
    for (let block = columns >> 7; block > 0; block--) {
      const x = v128.load(plane);
      v128.store(
        plane,
        transposeBits(i8x16.shuffle(x, x, 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15)),
      );
      plane += 16;
    }
    if (columns & 64) {
      v128.store64_lane(plane, transposeBits(v128.load64_zero(plane)), 0);
      plane += 8;
    }
  }
}

/**
 * Rows of transposed planes of at most 4 bits to the nibbles of the uniform code (layout: `uniform.ts`).
 */
export function packNibbles(
  planes: usize,
  planeBytes: usize,
  rows: i32,
  columns: i32,
  bits: i32,
  nibbles: usize,
  labels: usize,
): void {
  const up = 8 - bits;
  const m0f = i8x16.splat(0x0f);
  const mf0 = i8x16.splat(<i8>0xf0);
  const flip = i8x16.splat(<i8>0x88);
  for (; rows > 0; rows--) {
    unpackRow(planes, planeBytes, columns, bits, labels);
    for (let k = 0; k < columns; k += 32) {
      const a = i8x16.shl(v128.load(labels + k), up);
      const b = i8x16.shl(v128.load(labels + k, 16), up);
      const upper = v128.or(v128.and(i16x8.shr_u(a, 4), m0f), v128.and(b, mf0));
      v128.store(nibbles, v128.xor(upper, flip));
      nibbles += 16;
    }
    planes += <usize>(columns >> 3);
  }
}
