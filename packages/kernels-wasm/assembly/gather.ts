/** Float32 table entries of the labels at `labels` … `labels + 3`. */
// @ts-ignore: decorator
@inline
export function gather(labels: usize, table: usize): v128 {
  let w = v128.load32_zero(table + (<usize>load<u8>(labels) << 2));
  w = v128.load32_lane(table + (<usize>load<u8>(labels, 1) << 2), w, 1);
  w = v128.load32_lane(table + (<usize>load<u8>(labels, 2) << 2), w, 2);
  return v128.load32_lane(table + (<usize>load<u8>(labels, 3) << 2), w, 3);
}
