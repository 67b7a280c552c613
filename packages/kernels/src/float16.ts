/**
 * IEEE 754 half precision, one number at a time: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits.
 *
 * Written out because `Float16Array` is not available in every supported runtime.
 */

/** Smallest normal half, 2^-14. Below it the spacing is constant. */
const SMALLEST_NORMAL = 2 ** -14;
/** Spacing of the subnormal halves, 2^-24. */
const SUBNORMAL_STEP = 2 ** -24;
/** Half-way between the largest half, 65504, and the next power of two: from here on rounding gives infinity. */
const OVERFLOW = 65520;

/** The number a half-precision pattern stands for. Every half is exact in float32. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * SUBNORMAL_STEP;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The half-precision pattern nearest to a number; ties go to the even pattern, numbers of 65520 and more to infinity. */
export function numberToFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= OVERFLOW) return sign | 0x7c00;
  if (magnitude < SMALLEST_NORMAL) return sign | roundHalfToEven(magnitude / SUBNORMAL_STEP);
  let exponent = Math.floor(Math.log2(magnitude));
  // The logarithm may be rounded across a power of two; the scaled number must lie in [1, 2).
  if (2 ** exponent > magnitude) exponent -= 1;
  else if (2 ** (exponent + 1) <= magnitude) exponent += 1;
  const fraction = roundHalfToEven((magnitude / 2 ** exponent - 1) * 1024);
  // A fraction rounded up to 1024 carries into the exponent, which is just what the sum does.
  return sign | (((exponent + 15) << 10) + fraction);
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest > 0.5 || (rest === 0.5 && floor % 2 === 1)) return floor + 1;
  return floor;
}
