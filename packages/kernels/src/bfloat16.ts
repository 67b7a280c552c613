/** bfloat16: the upper half of a float32 pattern, 1 sign bit, 8 exponent bits, 7 fraction bits. */

const pattern: Uint32Array = new Uint32Array(1);
const number: Float32Array = new Float32Array(pattern.buffer);

/** The number a bfloat16 pattern stands for. */
export function bfloat16ToNumber(bits: number): number {
  pattern[0] = (bits & 0xffff) << 16;
  return number[0]!;
}
