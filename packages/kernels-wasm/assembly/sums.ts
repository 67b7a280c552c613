/** Horizontal sums. The order of addition is fixed, so that results do not depend on the caller. */

/** Sum of the four lanes. */
// @ts-ignore: decorator
@inline
export function sumLanes(a: v128): f32 {
  const pairs = f32x4.add(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Lane i = sum of the lanes of argument i. */
// @ts-ignore: decorator
@inline
export function sumLanes4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return f32x4.add(i32x4.shuffle(ab, cd, 0, 1, 4, 5), i32x4.shuffle(ab, cd, 2, 3, 6, 7));
}

/** Stores the first `count` (1 to 4) lanes. */
// @ts-ignore: decorator
@inline
export function storeLanes(target: usize, a: v128, count: i32): void {
  if (count >= 4) {
    v128.store(target, a);
  } else {
    f32.store(target, f32x4.extract_lane(a, 0));
    if (count > 1) f32.store(target, f32x4.extract_lane(a, 1), 4);
    if (count > 2) f32.store(target, f32x4.extract_lane(a, 2), 8);
  }
}

/** Loads `count` (1 to 4) numbers, zeros behind them. */
// @ts-ignore: decorator
@inline
export function loadLanes(source: usize, count: i32): v128 {
  if (count >= 4) return v128.load(source);
  let a = v128.load32_zero(source);
  if (count > 1) a = v128.load32_lane(source, a, 1, 4);
  if (count > 2) a = v128.load32_lane(source, a, 2, 8);
  return a;
}
