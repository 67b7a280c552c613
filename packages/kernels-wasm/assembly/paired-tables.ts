/**
 * Tables over activations, the other factor of `paired-dot.ts`: for every block of four columns the 16 signed sums
 * `T[n] = Σ_j (bit j of n ? +x_j : −x_j)`, rounded to 8 bits. One vector register holds one table, one byte shuffle is 16
 * look-ups.
 *
 * Entries are unsigned, 128 + T / step, with one step per part (a group of the weight, or a piece of one): the largest
 * possible entry of the part, |x_0| + … + |x_3|, becomes 127. Memory: `tables` `[blocks][16]` bytes, `factors` per part
 * { step, Σ x } as float32.
 */

/** Largest |x| outside of which steps and their inverses would leave float32. */
const LARGEST: f32 = 1e30;
const SMALLEST: f32 = 1e-18;
/** Parts whose largest entry is smaller count as zero: 18 decimal places below {@link SMALLEST}. */
const NOTHING: f32 = 1e-36;

/** Largest |x| of `count` (a multiple of 4) numbers; NaN if one is NaN. */
export function largestMagnitude(x: usize, count: i32): f32 {
  const end = x + (<usize>count << 2);
  let largest = f32x4.splat(0);
  for (; x < end; x += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(x)));
  largest = f32x4.max(largest, i32x4.shuffle(largest, largest, 2, 3, 0, 1));
  largest = f32x4.max(largest, i32x4.shuffle(largest, largest, 1, 0, 3, 2));
  return f32x4.extract_lane(largest, 0);
}

/** Whether activations with this largest magnitude can be made integers part by part. */
export function isMeasurable(most: f32): bool {
  return most == 0 || (most >= SMALLEST && most <= LARGEST);
}

/**
 * Builds the tables of one token. Returns 0, with nothing usable written, where the numbers are too large, too small or
 * not finite: the caller then takes the float path.
 */
export function buildTables(
  x: usize,
  blocks: i32,
  groupBlocks: i32,
  partBlocks: i32,
  factors: usize,
  tables: usize,
): i32 {
  if (!isMeasurable(largestMagnitude(x, blocks << 2))) return 0;
  const zero = blocks >>> 31;
  // 1.5 · 2^23 rounds to whole numbers, which are then the low bits; a bias of 128 comes with it.
  const rounding = f32x4.splat(12583040 + <f32>zero);
  const signs = i32x4.splat(0x80000000 | zero);
  const odd = v128.and(signs, i64x2.splat(0x00000000ffffffff));
  const low = i64x2.shuffle(signs, i64x2.splat(0), 0, 2);
  while (blocks > 0) {
    for (let left = groupBlocks; left > 0; left -= partBlocks) {
      const count = min(partBlocks, left);
      const end = x + (<usize>count << 4);
      let largest = f32x4.splat(0);
      let sum = f32x4.splat(0);
      for (let at = x; at < end; at += 16) {
        const v = v128.load(at);
        sum = f32x4.add(sum, v);
        let a = f32x4.abs(v);
        a = f32x4.add(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
        largest = f32x4.max(largest, f32x4.add(a, i32x4.shuffle(a, a, 1, 0, 3, 2)));
      }
      sum = f32x4.add(sum, i32x4.shuffle(sum, sum, 2, 3, 0, 1));
      const most = f32x4.extract_lane(largest, 0);
      const isNothing = most < NOTHING;
      f32.store(factors, isNothing ? 0 : most / 127);
      f32.store(factors, f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1), 4);
      factors += 8;
      const inverse = f32x4.splat(isNothing ? 0 : 127 / most);
      for (; x < end; x += 16) {
        const q = f32x4.mul(v128.load(x), inverse);
        const q0 = i32x4.shuffle(q, q, 0, 0, 0, 0);
        const q1 = i32x4.shuffle(q, q, 1, 1, 1, 1);
        const q2 = i32x4.shuffle(q, q, 2, 2, 2, 2);
        const q3 = i32x4.shuffle(q, q, 3, 3, 3, 3);
        // Entries 0 … 3 differ in bits 0 and 1, the four vectors in bits 2 and 3. The rounding comes last and once.
        const base = f32x4.add(v128.xor(q0, odd), v128.xor(q1, low));
        const both = f32x4.add(q2, q3);
        const difference = f32x4.sub(q2, q3);
        const e0 = f32x4.add(f32x4.sub(base, both), rounding);
        const e1 = f32x4.add(f32x4.add(base, difference), rounding);
        const e2 = f32x4.add(f32x4.sub(base, difference), rounding);
        const e3 = f32x4.add(f32x4.add(base, both), rounding);
        const first = i8x16.shuffle(e0, e1, 0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
        const second = i8x16.shuffle(e2, e3, 0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
        v128.store(tables, i64x2.shuffle(first, second, 0, 2));
        tables += 16;
      }
      blocks -= count;
    }
  }
  return 1;
}
