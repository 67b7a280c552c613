/**
 * The WebAssembly module of the backward pass, a binary of its own: inference does without it, and it is the same for
 * every runtime. Conventions as in `index.ts`; the one call is described in `gradient-jobs.ts`.
 */
export { runGradientJob } from "./gradient-jobs";

/** First byte that no static data of the module occupies. */
export function heapBase(): usize {
  return __heap_base;
}
