import type { RowPool } from "./row-pool.js";
import { quantizeTask, type RowCodec, type RowTask, type RowWork } from "./row-work.js";

/** A pool that works on the calling thread and lets other tasks run between ranges. */
export function createSameThreadPool(fallbackReason?: string): RowPool {
  return {
    threads: 0,
    ...(fallbackReason === undefined ? {} : { fallbackReason }),
    async quantize<C extends RowCodec>(codec: C, range: RowWork[C]["range"]): Promise<RowWork[C]["rows"]> {
      await new Promise((resolve) => setTimeout(resolve, 0));
      return quantizeTask({ codec, range } as RowTask);
    },
    async [Symbol.asyncDispose]() {},
  };
}
