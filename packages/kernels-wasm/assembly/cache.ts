/**
 * Keys or values of one head in the cache: `[positions][padded]` float32, halves or bytes, `padded` = head dimension
 * rounded up to 4 (bytes: 16) with zeros, so that the loops of `attention.ts` have no remainders. Bytes have one scale per
 * position in an array of their own: number = byte · scale, scale = largest magnitude / 127.
 */
import { narrow, widen } from "./float16";
import { loadLanes, storeLanes } from "./sums";

/** How numbers are stored: float32, halves (2: infinities or NaN among them), bytes. */
const HALVES: i32 = 1;
const WILD_HALVES: i32 = 2;
const BYTES: i32 = 3;
/** Vectors with a smaller largest number become zeros: the reciprocal of the scale would leave float32. */
const NOTHING: f32 = 1e-36;

/**
 * Copies one head of `tokens` tokens from `source` (`sourceBytes` from token to token) to consecutive positions. Returns
 * whether a half that is infinite or no number was stored.
 */
export function storeHead(
  source: usize,
  sourceBytes: usize,
  target: usize,
  scales: usize,
  tokens: i32,
  dimension: i32,
  padded: i32,
  form: i32,
): bool {
  let wild = i32x4.splat(0);
  const exponent = i32x4.splat(0x7c00);
  for (; tokens > 0; tokens--) {
    if (form == BYTES) {
      storeBytes(source, target, scales, dimension, padded);
      scales += 4;
      target += <usize>padded;
    } else {
      for (let d = 0; d < padded; d += 4) {
        const v = loadLanes(source + (<usize>d << 2), dimension - d);
        if (form) {
          const n = narrow(v);
          wild = v128.or(wild, i32x4.eq(v128.and(n, exponent), exponent));
          v128.store64_lane(target + (<usize>d << 1), i16x8.shuffle(n, n, 0, 2, 4, 6, 0, 2, 4, 6), 0);
        } else {
          v128.store(target + (<usize>d << 2), v);
        }
      }
      target += form ? <usize>padded << 1 : <usize>padded << 2;
    }
    source += sourceBytes;
  }
  return v128.any_true(wild);
}

function storeBytes(source: usize, target: usize, scale: usize, dimension: i32, padded: i32): void {
  let magnitude = f32x4.splat(0);
  for (let d = 0; d < dimension; d += 4)
    magnitude = f32x4.max(magnitude, f32x4.abs(loadLanes(source + (<usize>d << 2), dimension - d)));
  magnitude = f32x4.max(magnitude, i32x4.shuffle(magnitude, magnitude, 2, 3, 0, 1));
  magnitude = f32x4.max(magnitude, i32x4.shuffle(magnitude, magnitude, 1, 0, 3, 2));
  const largest = f32x4.extract_lane(magnitude, 0);
  const isNothing = largest < NOTHING;
  f32.store(scale, isNothing ? 0 : largest / 127);
  const inverse = f32x4.splat(isNothing ? 0 : 127 / largest);
  for (let d = 0; d < padded; d += 4) {
    const v = d < dimension ? loadLanes(source + (<usize>d << 2), dimension - d) : f32x4.splat(0);
    const whole = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v, inverse)));
    const words = i16x8.narrow_i32x4_s(whole, whole);
    v128.store32_lane(target + <usize>d, i8x16.narrow_i16x8_s(words, words), 0);
  }
}

/** The way back: consecutive positions of one head to `[positions][dimension]` float32. */
export function readHead(
  source: usize,
  scales: usize,
  target: usize,
  positions: i32,
  dimension: i32,
  padded: i32,
  form: i32,
): void {
  for (; positions > 0; positions--) {
    for (let d = 0; d < dimension; d += 4) {
      let v: v128;
      if (form == BYTES) {
        const words = i16x8.extend_low_i8x16_s(v128.load32_zero(source + <usize>d));
        v = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(words)), v128.load32_splat(scales));
      } else if (form == HALVES || form == WILD_HALVES) v = widen(v128.load16x4_s(source + (<usize>d << 1)));
      else v = v128.load(source + (<usize>d << 2));
      storeLanes(target + (<usize>d << 2), v, dimension - d);
    }
    source += form == BYTES ? <usize>padded : form ? <usize>padded << 1 : <usize>padded << 2;
    scales += 4;
    target += <usize>dimension << 2;
  }
}
