/**
 * IEEE half precision to float32 and back, four numbers at a time.
 *
 * Widening: a half's 15 magnitude bits shifted left by 13 are a float32 whose exponent is 112 too small; a product with
 * 2^112 corrects it, exactly, for normal and subnormal halves alike.
 */

/** Sign, exponent and fraction of a half that was sign-extended to 32 bits and shifted left by 13. */
const FIELDS: i32 = 0x8fffe000;

/** Four sign-extended halves (`v128.load16x4_s`) as float32; infinities and NaN come out as finite numbers. */
// @ts-ignore: decorator
@inline
export function widenFinite(halves: v128): v128 {
  const bits = v128.and(i32x4.shl(halves, 13), i32x4.splat(FIELDS));
  return f32x4.mul(bits, f32x4.splat(reinterpret<f32>(0x77800000)));
}

/** The same for every pattern: what widens to 65536 or more had the exponent of infinity and NaN. */
// @ts-ignore: decorator
@inline
export function widen(halves: v128): v128 {
  const numbers = widenFinite(halves);
  const special = f32x4.ge(f32x4.abs(numbers), f32x4.splat(65536.0));
  return v128.or(numbers, v128.and(special, i32x4.splat(0x7f800000)));
}

/**
 * Four float32 as halves in the low 16 bits of each lane, rounded to nearest, ties to even. Below 2^-14 the sum with 0.5
 * rounds to the subnormal spacing 2^-24 by itself; from 65520 on the result is infinity; every NaN becomes 0x7e00.
 */
// @ts-ignore: decorator
@inline
export function narrow(numbers: v128): v128 {
  const magnitude = f32x4.abs(numbers);
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const rounded = i32x4.add(i32x4.add(magnitude, i32x4.splat(0xfff)), odd);
  const normal = i32x4.sub(i32x4.shr_u(rounded, 13), i32x4.splat(112 << 10));
  const half = f32x4.splat(0.5);
  const subnormal = i32x4.sub(f32x4.add(magnitude, half), half);
  let result = v128.bitselect(subnormal, normal, f32x4.lt(magnitude, f32x4.splat(reinterpret<f32>(113 << 23))));
  result = v128.bitselect(i32x4.splat(0x7c00), result, f32x4.ge(magnitude, f32x4.splat(65520.0)));
  result = v128.bitselect(i32x4.splat(0x7e00), result, f32x4.ne(numbers, numbers));
  const sign = v128.and(i32x4.shr_u(numbers, 16), i32x4.splat(0x8000));
  return v128.or(result, v128.andnot(sign, f32x4.ne(numbers, numbers)));
}
