/** bfloat16 patterns (the upper half of a float32) as float32, into `target` or a new array. */
export function bfloat16ToFloat32(
  patterns: Uint16Array,
  target: Float32Array = new Float32Array(patterns.length),
): Float32Array {
  const bits = new Uint32Array(target.buffer, target.byteOffset, patterns.length);
  for (let i = 0; i < bits.length; i++) bits[i] = (patterns[i] as number) << 16;
  return target;
}

/** Float32 numbers as bfloat16 patterns, rounded to nearest even; not-a-number stays one. */
export function float32ToBfloat16(
  values: Float32Array,
  target: Uint16Array = new Uint16Array(values.length),
): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i] as number;
    target[i] = (b & 0x7fffffff) > 0x7f800000 ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return target;
}
