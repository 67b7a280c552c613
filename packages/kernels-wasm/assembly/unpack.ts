/**
 * Bit planes to labels. A row of a plane is `columns / 8` bytes: blocks of 128 columns (16 bytes, bit i of byte j is
 * column 16i + j) and at most one last block of 64 (8 bytes, bit i of byte j is column 8i + j), see `pack.ts`. All bits i
 * of a vector of plane bytes are then one run of consecutive columns, and labels come out in column order without a
 * permutation.
 *
 * Up to four planes are merged in two butterfly steps (bits to pairs, pairs to nibbles), about 44 operations for 128
 * labels of 4 bits. Precisions above 4 take a second pass over the remaining planes that shifts the first labels up.
 */

// @ts-ignore: decorator
@inline
function loadBlock(source: usize, half: bool): v128 {
  return half ? v128.load64_zero(source) : v128.load(source);
}

/** Writes the labels of run `run`; with `merge` the label there moves up by `bits` and takes the new bits below. */
// @ts-ignore: decorator
@inline
function put(target: usize, run: i32, labels: v128, half: bool, merge: bool, bits: i32): void {
  const at = target + <usize>(half ? run * 8 : run * 16);
  if (merge) labels = v128.or(labels, i16x8.shl(loadBlock(at, half), bits));
  if (half) v128.store64_lane(at, labels, 0);
  else v128.store(at, labels);
}

// @ts-ignore: decorator
@inline
function putNibbles(target: usize, run: i32, nibbles: v128, m0f: v128, half: bool, merge: bool, bits: i32): void {
  put(target, run, v128.and(nibbles, m0f), half, merge, bits);
  put(target, run + 4, v128.and(i16x8.shr_u(nibbles, 4), m0f), half, merge, bits);
}

/** Labels of 3 or 4 bits of one block. */
// @ts-ignore: decorator
@inline
function unpackWide(source: usize, planeBytes: usize, bits: i32, target: usize, half: bool, merge: bool, zero: i32): void {
  // Masks that the optimiser cannot fold to literals: V8 13.6 rebuilds literal vectors at every use.
  const m55 = i8x16.splat(<i8>(0x55 + zero));
  const m33 = i8x16.splat(<i8>(0x33 + zero));
  const m0f = i8x16.splat(<i8>(0x0f + zero));
  const first = bits == 4 ? source + planeBytes : source;
  const b = loadBlock(first, half);
  const c = loadBlock(first + planeBytes, half);
  const d = loadBlock(first + planeBytes + planeBytes, half);
  let highEven = v128.and(b, m55);
  let highOdd = v128.and(i16x8.shr_u(b, 1), m55);
  if (bits == 4) {
    const a = loadBlock(source, half);
    highEven = v128.or(highEven, i16x8.shl(v128.and(a, m55), 1));
    highOdd = v128.or(highOdd, v128.andnot(a, m55));
  }
  const lowEven = v128.or(i16x8.shl(v128.and(c, m55), 1), v128.and(d, m55));
  const lowOdd = v128.or(v128.andnot(c, m55), v128.and(i16x8.shr_u(d, 1), m55));
  putNibbles(target, 0, v128.or(i16x8.shl(v128.and(highEven, m33), 2), v128.and(lowEven, m33)), m0f, half, merge, bits);
  putNibbles(target, 1, v128.or(i16x8.shl(v128.and(highOdd, m33), 2), v128.and(lowOdd, m33)), m0f, half, merge, bits);
  putNibbles(target, 2, v128.or(v128.andnot(highEven, m33), v128.and(i16x8.shr_u(lowEven, 2), m33)), m0f, half, merge, bits);
  putNibbles(target, 3, v128.or(v128.andnot(highOdd, m33), v128.and(i16x8.shr_u(lowOdd, 2), m33)), m0f, half, merge, bits);
}

/** Labels of 2 bits of one block. */
// @ts-ignore: decorator
@inline
function unpackPairs(source: usize, planeBytes: usize, target: usize, half: bool, merge: bool, zero: i32): void {
  const m55 = i8x16.splat(<i8>(0x55 + zero));
  const m03 = i8x16.splat(<i8>(0x03 + zero));
  const c = loadBlock(source, half);
  const d = loadBlock(source + planeBytes, half);
  const even = v128.or(i16x8.shl(v128.and(c, m55), 1), v128.and(d, m55));
  const odd = v128.or(v128.andnot(c, m55), v128.and(i16x8.shr_u(d, 1), m55));
  put(target, 0, v128.and(even, m03), half, merge, 2);
  put(target, 1, v128.and(odd, m03), half, merge, 2);
  put(target, 2, v128.and(i16x8.shr_u(even, 2), m03), half, merge, 2);
  put(target, 3, v128.and(i16x8.shr_u(odd, 2), m03), half, merge, 2);
  put(target, 4, v128.and(i16x8.shr_u(even, 4), m03), half, merge, 2);
  put(target, 5, v128.and(i16x8.shr_u(odd, 4), m03), half, merge, 2);
  put(target, 6, v128.and(i16x8.shr_u(even, 6), m03), half, merge, 2);
  put(target, 7, v128.and(i16x8.shr_u(odd, 6), m03), half, merge, 2);
}

/** Labels of 1 bit of one block. */
// @ts-ignore: decorator
@inline
function unpackBits(source: usize, target: usize, half: bool, merge: bool, zero: i32): void {
  const m01 = i8x16.splat(<i8>(0x01 + zero));
  const d = loadBlock(source, half);
  put(target, 0, v128.and(d, m01), half, merge, 1);
  put(target, 1, v128.and(i16x8.shr_u(d, 1), m01), half, merge, 1);
  put(target, 2, v128.and(i16x8.shr_u(d, 2), m01), half, merge, 1);
  put(target, 3, v128.and(i16x8.shr_u(d, 3), m01), half, merge, 1);
  put(target, 4, v128.and(i16x8.shr_u(d, 4), m01), half, merge, 1);
  put(target, 5, v128.and(i16x8.shr_u(d, 5), m01), half, merge, 1);
  put(target, 6, v128.and(i16x8.shr_u(d, 6), m01), half, merge, 1);
  put(target, 7, v128.and(i16x8.shr_u(d, 7), m01), half, merge, 1);
}

// @ts-ignore: decorator
@inline
function unpackBlock(source: usize, planeBytes: usize, bits: i32, target: usize, half: bool, merge: bool, zero: i32): void {
  if (bits == 4) unpackWide(source, planeBytes, 4, target, half, merge, zero);
  else if (bits == 3) unpackWide(source, planeBytes, 3, target, half, merge, zero);
  else if (bits == 2) unpackPairs(source, planeBytes, target, half, merge, zero);
  else unpackBits(source, target, half, merge, zero);
}

function unpackFirst(source: usize, planeBytes: usize, columns: i32, bits: i32, labels: usize): void {
  const zero = columns >>> 31;
  let at = labels;
  for (let block = columns >> 7; block > 0; block--) {
    unpackBlock(source, planeBytes, bits, at, false, false, zero);
    source += 16;
    at += 128;
  }
  if (columns & 64) unpackBlock(source, planeBytes, bits, at, true, false, zero);
}

function unpackMore(source: usize, planeBytes: usize, columns: i32, bits: i32, labels: usize): void {
  const zero = columns >>> 31;
  let at = labels;
  for (let block = columns >> 7; block > 0; block--) {
    unpackBlock(source, planeBytes, bits, at, false, true, zero);
    source += 16;
    at += 128;
  }
  if (columns & 64) unpackBlock(source, planeBytes, bits, at, true, true, zero);
}

/** Labels of one row at precision `bits` (1 to 8) as bytes, `[columns]`; `source` is the row in plane 0. */
// @ts-ignore: decorator
@inline
export function unpackRow(source: usize, planeBytes: usize, columns: i32, bits: i32, labels: usize): void {
  if (bits <= 4) {
    unpackFirst(source, planeBytes, columns, bits, labels);
  } else {
    unpackFirst(source, planeBytes, columns, 4, labels);
    unpackMore(source + 4 * planeBytes, planeBytes, columns, bits - 4, labels);
  }
}
