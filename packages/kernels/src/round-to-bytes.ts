/** What a vector of keys or values becomes in a cache of bytes: `byte · scale`, one scale per vector. */

/** The largest byte used; −128 is not, so that rounding is symmetric. */
const LARGEST_BYTE = 127;
/** Vectors with a smaller largest number become zeros: the reciprocal of their scale is no float32. */
const NOTHING = 1e-36;

/** The numbers that stand for `numbers`, every step rounded to float32 as fast kernels do it. */
export function roundToBytes(numbers: Float32Array): Float32Array {
  let largest = 0;
  for (const value of numbers) largest = Math.max(largest, Math.abs(value));
  const isNothing = largest < Math.fround(NOTHING);
  const scale = isNothing ? 0 : Math.fround(largest / LARGEST_BYTE);
  const inverse = isNothing ? 0 : Math.fround(LARGEST_BYTE / largest);
  return numbers.map((value) => roundHalfToEven(Math.fround(value * inverse)) * scale);
}

function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
