/**
 * Binary-coded weights: planes (layout: `unpack.ts`), per precision int8 codes `[rows][groups][p]`, half steps `[rows]`
 * and perhaps int8 offsets `[rows][groups]`. `w = step · (Σ ±code_i + offset)`. Effective bits per weight read at
 * precision p with groups of g: p + 8p / g + 16 / columns.
 *
 * For groups that are no multiples of four columns, which `paired-dot.ts` cannot take. Correct, not fast: the signed sums of a group's first four and last four planes are tabulated (16 entries each), and
 * every weight costs one look-up, two above 4 bits. Steps have 11 significant bits and sums 11 more, so that products and sums are exact in float32.
 *
 * Scratch: labels of the first four planes `[columns]` bytes, labels of the others `[columns]`, two tables of 16 float32.
 */
import { widen } from "./float16";
import { gather } from "./gather";
import { unpackRow } from "./unpack";

/** `step` times the signed sums of `bits` codes: entry n has +code where a bit of n is set, the first code at the highest. */
function tabulate(codes: usize, bits: i32, start: i32, step: f32, table: usize): void {
  let first = start;
  for (let i = 0; i < bits; i++) first -= load<i8>(codes + <usize>i);
  f32.store(table, step * <f32>first);
  for (let j = 0; j < bits; j++) {
    // Bit j of n belongs to code bits − 1 − j.
    const code: i32 = load<i8>(codes + <usize>(bits - 1 - j));
    const twice = step * <f32>(code << 1);
    const count = <usize>4 << j;
    for (let at: usize = 0; at < count; at += 4) f32.store(table + count + at, f32.load(table + at) + twice);
  }
}

/** Rows as float32, `[rows][columns]` at `target`. `realColumns` excludes padding; `offsets` is 0 where absent. */
export function dequantizeBinaryCoded(
  planes: usize,
  planeBytes: usize,
  rows: i32,
  columns: i32,
  realColumns: i32,
  bits: i32,
  groupSize: i32,
  codes: usize,
  steps: usize,
  offsets: usize,
  target: usize,
  scratch: usize,
): void {
  const lowLabels = scratch + <usize>columns;
  const highTable = lowLabels + <usize>columns;
  const lowTable = highTable + 64;
  const highBits = min(bits, 4);
  const lowBits = bits - highBits;
  for (; rows > 0; rows--) {
    unpackRow(planes, planeBytes, columns, highBits, scratch);
    if (lowBits > 0) unpackRow(planes + 4 * planeBytes, planeBytes, columns, lowBits, lowLabels);
    const step = f32x4.extract_lane(widen(i32x4.extend_low_i16x8_s(i16x8.splat(load<i16>(steps)))), 0);
    for (let k = 0; k < realColumns; ) {
      const end = k + groupSize;
      tabulate(codes, highBits, offsets ? <i32>load<i8>(offsets++) : 0, step, highTable);
      codes += <usize>highBits;
      if (lowBits > 0) {
        tabulate(codes, lowBits, 0, step, lowTable);
        codes += <usize>lowBits;
        for (; k + 4 <= end; k += 4) {
          const high = gather(scratch + <usize>k, highTable);
          v128.store(target + (<usize>k << 2), f32x4.add(high, gather(lowLabels + <usize>k, lowTable)));
        }
      } else {
        for (; k + 4 <= end; k += 4) v128.store(target + (<usize>k << 2), gather(scratch + <usize>k, highTable));
      }
      for (; k < end; k++) {
        let w = f32.load(highTable + (<usize>load<u8>(scratch + <usize>k) << 2));
        if (lowBits > 0) w += f32.load(lowTable + (<usize>load<u8>(lowLabels + <usize>k) << 2));
        f32.store(target + (<usize>k << 2), w);
      }
    }
    for (let k = realColumns; k < columns; k++) f32.store(target + (<usize>k << 2), 0);
    planes += <usize>(columns >> 3);
    steps += 2;
    target += <usize>columns << 2;
  }
}
