/**
 * What the pool and its workers say to each other. A worker first says that it is ready, then answers every request.
 */
import type { PackedRows } from "../codebook/pack-rows.js";
import type { RowRange } from "../codebook/quantize-rows.js";

/** Pool → worker. */
export interface WorkerRequest {
  readonly id: number;
  readonly range: RowRange;
}

/** Worker → pool. */
export type WorkerReply =
  | { readonly kind: "ready" }
  | { readonly kind: "result"; readonly id: number; readonly rows: PackedRows }
  | { readonly kind: "error"; readonly id: number; readonly message: string };
