/**
 * IEEE half precision (1 sign, 5 exponent, 10 fraction bits) to float32 and back, whole arrays at a time.
 *
 * Widening goes through a table of all 65 536 values (256 KiB, made on first use); narrowing rounds to nearest, ties to
 * even, overflows to infinity and keeps subnormals.
 */

let table: Float32Array | undefined;

/** Float32 value of every half-precision pattern, by pattern. Shared: do not write into it. */
export function float16Table(): Float32Array {
  if (table !== undefined) return table;
  const values = new Float32Array(65536);
  for (let pattern = 0; pattern < 65536; pattern++) {
    const sign = pattern & 0x8000 ? -1 : 1;
    const exponent = (pattern >> 10) & 31;
    const fraction = pattern & 1023;
    if (exponent === 31) values[pattern] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    else if (exponent === 0) values[pattern] = sign * fraction * 2 ** -24;
    else values[pattern] = sign * (1024 + fraction) * 2 ** (exponent - 25);
  }
  table = values;
  return values;
}

/** Half-precision patterns as float32, into `target` or a new array. */
export function float16ToFloat32(
  patterns: Uint16Array,
  target: Float32Array = new Float32Array(patterns.length),
): Float32Array {
  const values = float16Table();
  for (let i = 0; i < patterns.length; i++) target[i] = values[patterns[i] as number] as number;
  return target;
}

/** Float32 numbers as half-precision patterns, rounded to nearest even, into `target` or a new array. */
export function float32ToFloat16(
  values: Float32Array,
  target: Uint16Array = new Uint16Array(values.length),
): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) target[i] = patternOf(bits[i] as number);
  return target;
}

function patternOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 and more round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // Normal: rebias the exponent by 112, drop 13 bits, rounding to even; a carry runs into the exponent as it should.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // Subnormal: units of 2^-24; 2^-25 and less round to zero.
  if (magnitude <= 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const kept = fraction >>> shift;
  const rest = fraction & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}

/** Index of the first pattern that is infinite or no number, or −1. */
export function findNonFiniteFloat16(patterns: Uint16Array): number {
  for (let i = 0; i < patterns.length; i++) if (((patterns[i] as number) & 0x7c00) === 0x7c00) return i;
  return -1;
}
