/** Rotary embedding in place: element i of a head turns with element i + half. Tables `[positions][half]`. */
import { loadLanes, storeLanes } from "./sums";

/** `cosines` and `sines` point at the row of the first token's position. */
export function rotate(
  target: usize,
  cosines: usize,
  sines: usize,
  tokens: i32,
  heads: i32,
  headDimension: i32,
  half: i32,
): void {
  const headBytes = <usize>headDimension << 2;
  const halfBytes = <usize>half << 2;
  for (; tokens > 0; tokens--) {
    for (let h = heads; h > 0; h--) {
      for (let i = 0; i < half; i += 4) {
        const at = <usize>i << 2;
        const left = half - i;
        const cosine = loadLanes(cosines + at, left);
        const sine = loadLanes(sines + at, left);
        const first = loadLanes(target + at, left);
        const second = loadLanes(target + halfBytes + at, left);
        storeLanes(target + at, f32x4.sub(f32x4.mul(first, cosine), f32x4.mul(second, sine)), left);
        storeLanes(target + halfBytes + at, f32x4.add(f32x4.mul(second, cosine), f32x4.mul(first, sine)), left);
      }
      target += headBytes;
    }
    cosines += halfBytes;
    sines += halfBytes;
  }
}
