/**
 * Keys or values of one head in the cache: `[positions][padded]` float32 or halves, `padded` = head dimension rounded up
 * to 4 with zeros, so that the loops of `attention.ts` have no remainders.
 */
import { narrow, widen } from "./float16";
import { loadLanes, storeLanes } from "./sums";

/** Copies one head of `tokens` tokens from `source` (`sourceBytes` from token to token) to consecutive positions. */
export function storeHead(
  source: usize,
  sourceBytes: usize,
  target: usize,
  tokens: i32,
  dimension: i32,
  padded: i32,
  half: bool,
): void {
  for (; tokens > 0; tokens--) {
    for (let d = 0; d < padded; d += 4) {
      const v = loadLanes(source + (<usize>d << 2), dimension - d);
      if (half) {
        const n = narrow(v);
        v128.store64_lane(target + (<usize>d << 1), i16x8.shuffle(n, n, 0, 2, 4, 6, 0, 2, 4, 6), 0);
      } else {
        v128.store(target + (<usize>d << 2), v);
      }
    }
    source += sourceBytes;
    target += half ? <usize>padded << 1 : <usize>padded << 2;
  }
}

/** The way back: consecutive positions of one head to `[positions][dimension]` float32. */
export function readHead(source: usize, target: usize, positions: i32, dimension: i32, padded: i32, half: bool): void {
  for (; positions > 0; positions--) {
    for (let d = 0; d < padded; d += 4) {
      const v = half ? widen(v128.load16x4_s(source + (<usize>d << 1))) : v128.load(source + (<usize>d << 2));
      storeLanes(target + (<usize>d << 2), v, dimension - d);
    }
    source += half ? <usize>padded << 1 : <usize>padded << 2;
    target += <usize>dimension << 2;
  }
}
