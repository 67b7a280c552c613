import type { RowCodec, RowWork } from "./row-work.js";

/**
 * Somewhere to quantize ranges of rows: worker threads, or the calling thread. Which one, and how many, changes the time
 * only; the result is the same to the bit.
 */
export interface RowPool extends AsyncDisposable {
  /** Worker threads; 0 when the calling thread does the work. */
  readonly threads: number;
  /** Why there are no worker threads although they were asked for. */
  readonly fallbackReason?: string;
  /** Quantizes a range. The range's arrays must own their whole buffers: these are handed over and unusable afterwards. */
  quantize<C extends RowCodec>(codec: C, range: RowWork[C]["range"]): Promise<RowWork[C]["rows"]>;
}
