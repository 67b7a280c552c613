/**
 * Chooses where rows are quantized. The part that knows Node's worker threads is loaded only where there is a Node.
 */
import { InvalidArgumentError } from "@stepdown/core";
import type { RowPool } from "./row-pool.js";
import { createSameThreadPool } from "./same-thread-pool.js";

/** More threads than any machine gains from; a larger number is a mistake. */
const MAXIMUM_THREADS = 256;

/** Options of {@link createRowPool}. */
export interface RowPoolOptions {
  /** Worker threads; 0 works on the calling thread. Default: one per core, 0 where there are no worker threads. */
  threads?: number;
}

/** Starts a pool; dispose of it to stop its threads. */
export async function createRowPool(options: RowPoolOptions = {}): Promise<RowPool> {
  const { threads } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 0 && threads <= MAXIMUM_THREADS)) {
    throw new InvalidArgumentError(
      `threads is ${threads}; it has to be an integer from 0 (the calling thread) to ${MAXIMUM_THREADS}.`,
    );
  }
  if (threads === 0) return createSameThreadPool();
  if (typeof process === "undefined" || process.versions?.node === undefined) {
    return createSameThreadPool("there are no worker threads outside Node");
  }
  const { createWorkerPool } = await import("./worker-pool.js");
  try {
    return await createWorkerPool(threads);
  } catch (error) {
    return createSameThreadPool(`worker threads could not be started: ${(error as Error).message}`);
  }
}
