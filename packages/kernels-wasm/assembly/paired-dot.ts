/**
 * Binary-coded weights times one token by look-ups: time falls with the number of planes. A plane-weight is a sign, four
 * signs are a nibble, and a nibble is an index into the table of its block of four columns (`paired-tables.ts`).
 *
 * Memory: planes (plane p at `p · planeBytes`) in runs of 32 rows, `[run][block][16]` bytes: byte j holds the nibble of
 * one of the first 16 rows in its low half and of one of the last 16 in its high half, in the order of {@link rowOfByte}.
 * Per precision: int8 codes `[run][group][ceil(p / 2)][32 rows][2]` (an odd last plane is paired with zeros), half steps
 * `[run][32]`, perhaps int8 offsets `[run][group][32]`. Rows and columns behind the real ones are zero. Effective bits per
 * weight read at precision p with groups of g: p + 16 · ceil(p / 2) / g + 16 / columns.
 *
 * Codes are whole numbers, so `row · x = step_row · Σ_part step_part · Σ_i code_i · Σ_block T`: all but the two outer
 * steps is integer arithmetic, and the only rounding that matters is that of the tables.
 */
import { widen } from "./float16";
import { storeLanes } from "./sums";

/** The row, 0 to 15, whose nibbles are byte `byte`: chosen so that the sums below come out in row order. */
export function rowOfByte(byte: i32): i32 {
  return ((byte & 1) << 3) | ((byte >> 3) << 2) | ((byte >> 1) & 3);
}

// @ts-ignore: decorator
@inline
function lookUp(table: v128, nibbles: v128): v128 {
  // Nibbles are always inside the table, so that the relaxed form, one operation less, gives the same bytes.
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(table, nibbles);
  return i8x16.swizzle(table, nibbles);
}

/** Rows 4i … 4i+3 of signed sums of two planes, each multiplied by its codes; `low` or `high` half of eight rows. */
// @ts-ignore: decorator
@inline
function weighLow(c: v128, d: v128, codes: usize): v128 {
  return i32x4.dot_i16x8_s(i16x8.shuffle(c, d, 0, 8, 1, 9, 2, 10, 3, 11), v128.load8x8_s(codes));
}
// @ts-ignore: decorator
@inline
function weighHigh(c: v128, d: v128, codes: usize): v128 {
  return i32x4.dot_i16x8_s(i16x8.shuffle(c, d, 4, 12, 5, 13, 6, 14, 7, 15), v128.load8x8_s(codes));
}

/** `sums · step` more. */
// @ts-ignore: decorator
@inline
function accumulate(y: usize, sums: v128, step: v128): void {
  v128.store(y, f32x4.add(v128.load(y), f32x4.mul(f32x4.convert_i32x4_s(sums), step)));
}

/** Offset codes times Σ x more, for 32 rows. */
function addOffsets(y: usize, offsets: usize, total: v128): void {
  const end = y + 128;
  for (; y < end; y += 16) {
    accumulate(y, i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(offsets))), total);
    offsets += 4;
  }
}

/**
 * `output[i] = row i · x (+ bias[i])` at precision `bits`; `offsets` and `bias` are 0 where absent. Parts are at most 256
 * blocks. Scratch: 128 bytes, the sums of 32 rows.
 */
export function dotPaired(
  planes: usize,
  planeBytes: usize,
  rows: i32,
  blocks: i32,
  groupBlocks: i32,
  partBlocks: i32,
  bits: i32,
  codes: usize,
  steps: usize,
  offsets: usize,
  factors: usize,
  tables: usize,
  output: usize,
  bias: usize,
  scratch: usize,
): void {
  // The optimiser must not see a literal: V8 13.6 rebuilds literal vectors at every use.
  const m0f = i8x16.splat(<i8>(0x0f + (rows >>> 31)));
  const zero = i8x16.splat(0);
  const codeBytes = <usize>((bits + 1) >> 1) << 6;
  for (; rows > 0; rows -= 32) {
    for (let at: usize = 0; at < 128; at += 16) v128.store(scratch + at, zero);
    let factor = factors;
    let table = tables;
    for (let passed = 0; passed < blocks; passed += groupBlocks) {
      for (let rest = groupBlocks; rest > 0; rest -= partBlocks) {
        const count = min(partBlocks, rest);
        const length = <usize>count << 4;
        const end = table + length;
        const step = f32x4.splat(f32.load(factor));
        let code = codes;
        let plane = planes;
        let left = bits;
        do {
          // Table entries are 128 too large. Summing bytes in pairs adds 256 times the odd ones, hence 257.
          let oddA = i16x8.splat(<i16>(count * -128));
          let evenA = i16x8.splat(<i16>(count * -128 * 257));
          let evenB = evenA;
          let oddB = oddA;
          let evenC = evenA;
          let oddC = oddA;
          let evenD = evenA;
          let oddD = oddA;
          let t = table;
          let w = plane;
          if (left == 1) {
            do {
              const entries = v128.load(t);
              const n = v128.load(w);
              const a = lookUp(entries, v128.and(n, m0f));
              const b = lookUp(entries, v128.and(i16x8.shr_u(n, 4), m0f));
              evenA = i16x8.add(evenA, a);
              oddA = i16x8.add(oddA, i16x8.shr_u(a, 8));
              evenB = i16x8.add(evenB, b);
              oddB = i16x8.add(oddB, i16x8.shr_u(b, 8));
              t += 16;
              w += 16;
            } while (t < end);
            evenC = zero;
            oddC = zero;
            evenD = zero;
            oddD = zero;
          } else {
            let u = w + planeBytes;
            do {
              const entries = v128.load(t);
              const n = v128.load(w);
              const a = lookUp(entries, v128.and(n, m0f));
              const b = lookUp(entries, v128.and(i16x8.shr_u(n, 4), m0f));
              evenA = i16x8.add(evenA, a);
              oddA = i16x8.add(oddA, i16x8.shr_u(a, 8));
              evenB = i16x8.add(evenB, b);
              oddB = i16x8.add(oddB, i16x8.shr_u(b, 8));
              const m = v128.load(u);
              const c = lookUp(entries, v128.and(m, m0f));
              const d = lookUp(entries, v128.and(i16x8.shr_u(m, 4), m0f));
              evenC = i16x8.add(evenC, c);
              oddC = i16x8.add(oddC, i16x8.shr_u(c, 8));
              evenD = i16x8.add(evenD, d);
              oddD = i16x8.add(oddD, i16x8.shr_u(d, 8));
              t += 16;
              w += 16;
              u += 16;
            } while (t < end);
            evenC = i16x8.sub(evenC, i16x8.shl(oddC, 8));
            evenD = i16x8.sub(evenD, i16x8.shl(oddD, 8));
          }
          evenA = i16x8.sub(evenA, i16x8.shl(oddA, 8));
          evenB = i16x8.sub(evenB, i16x8.shl(oddB, 8));
          accumulate(scratch, weighLow(evenA, evenC, code), step);
          accumulate(scratch + 16, weighHigh(evenA, evenC, code + 8), step);
          accumulate(scratch + 32, weighLow(oddA, oddC, code + 16), step);
          accumulate(scratch + 48, weighHigh(oddA, oddC, code + 24), step);
          accumulate(scratch + 64, weighLow(evenB, evenD, code + 32), step);
          accumulate(scratch + 80, weighHigh(evenB, evenD, code + 40), step);
          accumulate(scratch + 96, weighLow(oddB, oddD, code + 48), step);
          accumulate(scratch + 112, weighHigh(oddB, oddD, code + 56), step);
          code += 64;
          plane += planeBytes << 1;
          left -= 2;
        } while (left > 0);
        if (offsets) addOffsets(scratch, offsets, f32x4.splat(f32.load(factor, 4)));
        factor += 8;
        table = end;
        planes += length;
      }
      codes += codeBytes;
      if (offsets) offsets += 32;
    }
    for (let i = 0; i < 32 && i < rows; i += 4) {
      let sum = f32x4.mul(v128.load(scratch + (<usize>i << 2)), widen(v128.load16x4_s(steps + (<usize>i << 1))));
      if (bias) sum = f32x4.add(sum, v128.load(bias + (<usize>i << 2)));
      storeLanes(output + (<usize>i << 2), sum, rows - i);
    }
    steps += 64;
    output += 128;
    if (bias) bias += 128;
  }
}
