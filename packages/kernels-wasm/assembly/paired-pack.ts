/** Stored planes and scales of binary-coded weights to the layout of `paired-dot.ts`, once per weight, and rows back to float32. */
import { widen } from "./float16";
import { rowOfByte } from "./paired-dot";

/**
 * One plane, rows of `rowBytes` bytes (bit k mod 8 of byte k / 8 is column k), to nibbles. `rows` are padded with zeros to
 * a multiple of 32, `rowBytes` covers `blocks` (four columns each).
 */
export function packPaired(source: usize, rowBytes: usize, rows: i32, blocks: i32, target: usize): void {
  const length = <usize>blocks << 4;
  for (; rows > 0; rows -= 32) {
    for (let byte = 0; byte < 16; byte++) {
      const a = source + <usize>rowOfByte(byte) * rowBytes;
      const b = a + (rowBytes << 4);
      let at = target + <usize>byte;
      const end = at + length;
      for (let i: usize = 0; at < end; i++) {
        const one: u32 = load<u8>(a + i);
        const other: u32 = load<u8>(b + i);
        store<u8>(at, (one & 15) | (other << 4));
        at += 16;
        if (at < end) store<u8>(at, (one >> 4) | (other & 0xf0));
        at += 16;
      }
    }
    source += rowBytes << 5;
    target += length;
  }
}

/** Codes `[rows][groups][bits]` to `[run][group][ceil(bits / 2)][32 rows][2]`; zeros for rows and planes that do not exist. */
export function packPairedCodes(source: usize, rows: i32, groups: i32, bits: i32, target: usize): void {
  const groupBytes = <usize>((bits + 1) >> 1) << 6;
  const runBytes = groupBytes * <usize>groups;
  const runs = (rows + 31) >> 5;
  memory.fill(target, 0, runBytes * <usize>runs);
  for (let row = 0; row < rows; row++) {
    let at = target + <usize>(row >> 5) * runBytes + (<usize>(row & 31) << 1);
    for (let group = 0; group < groups; group++) {
      for (let i = 0; i < bits; i++)
        store<i8>(at + (<usize>(i >> 1) << 6) + <usize>(i & 1), load<i8>(source++));
      at += groupBytes;
    }
  }
}

/**
 * Rows `row` … `row + count − 1` as float32, `[count][columns]` at `target`. The bits of a block select from the doubled
 * codes; the sum of codes and offset is a whole number of at most 12 bits, times a step of 11: exact.
 */
export function dequantizePaired(
  planes: usize,
  planeBytes: usize,
  row: i32,
  count: i32,
  columns: i32,
  realColumns: i32,
  bits: i32,
  groupSize: i32,
  codes: usize,
  steps: usize,
  offsets: usize,
  target: usize,
): void {
  const blocks = (realColumns + 3) >> 2;
  const groups = realColumns / groupSize;
  const groupBytes = <usize>((bits + 1) >> 1) << 6;
  const bitOf = i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(1 - (bits >>> 31)), 1, 2), 2, 4), 3, 8);
  for (; count > 0; count--) {
    const run = row >> 5;
    const inside = row & 31;
    let byte = 0;
    while (rowOfByte(byte) != (inside & 15)) byte++;
    const shift = inside & 16 ? 4 : 0;
    let plane = planes + ((<usize>run * <usize>blocks) << 4) + <usize>byte;
    let code = codes + <usize>run * <usize>groups * groupBytes + (<usize>inside << 1);
    let offset = offsets ? offsets + <usize>(run * groups * 32 + inside) : 0;
    const step = f32x4.splat(
      f32x4.extract_lane(widen(i32x4.extend_low_i16x8_s(i16x8.splat(load<i16>(steps + (<usize>row << 1))))), 0),
    );
    let at = target;
    for (let k = 0; k < realColumns; k += groupSize) {
      let first: i32 = offset ? <i32>load<i8>(offset) : 0;
      for (let i = 0; i < bits; i++) first -= load<i8>(code + (<usize>(i >> 1) << 6) + <usize>(i & 1));
      const base = i32x4.splat(first);
      // A single group may end inside a block; what is written behind it becomes padding below.
      const end = at + (<usize>((groupSize + 3) >> 2) << 4);
      for (; at < end; at += 16) {
        let sum = base;
        let w = plane;
        for (let i = 0; i < bits; i++) {
          const c: i32 = load<i8>(code + (<usize>(i >> 1) << 6) + <usize>(i & 1));
          const nibble = i32x4.splat(<i32>load<u8>(w) >> shift);
          const isSet = i32x4.eq(v128.and(nibble, bitOf), bitOf);
          sum = i32x4.add(sum, v128.and(isSet, i32x4.splat(c << 1)));
          w += planeBytes;
        }
        v128.store(at, f32x4.mul(f32x4.convert_i32x4_s(sum), step));
        plane += 16;
      }
      code += groupBytes;
      if (offset) offset += 32;
    }
    for (let k = realColumns; k < columns; k++) f32.store(target + (<usize>k << 2), 0);
    row++;
    target += <usize>columns << 2;
  }
}
