/** Sums, the middle of SwiGLU and softmax over rows; exponentials as in `exponential.ts`. */
import { exponential } from "./exponential";
import { loadLanes, storeLanes, sumLanes } from "./sums";

/** `target += source`. */
export function add(target: usize, source: usize, length: i32): void {
  for (; length > 0; length -= 4) {
    storeLanes(target, f32x4.add(loadLanes(target, length), loadLanes(source, length)), length);
    target += 16;
    source += 16;
  }
}

/** Below it silu is smaller than any normal float32 and the exponential is clipped. */
const SILU_LEAST: f32 = -88.37;

/** `gate = gate / (1 + e^-gate) · up`. */
export function siluMultiply(gate: usize, up: usize, length: i32): void {
  const one = f32x4.splat(1);
  for (; length > 0; length -= 4) {
    const g = loadLanes(gate, length);
    const quotient = f32x4.div(g, f32x4.add(one, exponential(f32x4.neg(g))));
    const silu = v128.andnot(quotient, f32x4.lt(g, f32x4.splat(SILU_LEAST)));
    storeLanes(gate, f32x4.mul(silu, loadLanes(up, length)), length);
    gate += 16;
    up += 16;
  }
}

/** Largest of `count` numbers. */
// @ts-ignore: decorator
@inline
export function largestOf(at: usize, count: i32): f32 {
  let largest = f32x4.splat(-Infinity);
  const end = at + (<usize>count << 2);
  for (; at + 16 <= end; at += 16) largest = f32x4.pmax(largest, v128.load(at));
  for (; at < end; at += 4) largest = f32x4.pmax(largest, v128.load32_splat(at));
  largest = f32x4.pmax(largest, i32x4.shuffle(largest, largest, 2, 3, 0, 1));
  largest = f32x4.pmax(largest, i32x4.shuffle(largest, largest, 1, 0, 3, 2));
  return f32x4.extract_lane(largest, 0);
}

/** Softmax of each row in place. */
export function softmaxRows(at: usize, rows: i32, columns: i32): void {
  const bytes = <usize>columns << 2;
  const tail = columns & 3;
  for (; rows > 0; rows--) {
    const largest = f32x4.splat(largestOf(at, columns));
    const end = at + bytes;
    const whole = end - (<usize>tail << 2);
    let sums = f32x4.splat(0);
    let p = at;
    for (; p < whole; p += 16) {
      const e = exponential(f32x4.sub(v128.load(p), largest));
      v128.store(p, e);
      sums = f32x4.add(sums, e);
    }
    let sum = sumLanes(sums);
    for (; p < end; p += 4) {
      const e = f32x4.extract_lane(exponential(f32x4.sub(v128.load32_splat(p), largest)), 0);
      f32.store(p, e);
      sum += e;
    }
    const factor = f32x4.splat(<f32>1 / sum);
    for (p = at; p < end; p += 16) {
      const left = <i32>((end - p) >> 2);
      storeLanes(p, f32x4.mul(loadLanes(p, left), factor), left);
    }
    at = end;
  }
}
