import { packRows } from "../codebook/pack-rows.js";
import type { RowPool } from "./row-pool.js";

/** A pool that works on the calling thread and lets other tasks run between ranges. */
export function createSameThreadPool(fallbackReason?: string): RowPool {
  return {
    threads: 0,
    ...(fallbackReason === undefined ? {} : { fallbackReason }),
    async quantize(range) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      return packRows(range);
    },
    async [Symbol.asyncDispose]() {},
  };
}
