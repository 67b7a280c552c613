/**
 * What the pool and its workers say to each other. A worker first says that it is ready, then answers every request.
 */
import type { RowCodec, RowTask, RowWork } from "./row-work.js";

/** Pool → worker. */
export interface WorkerRequest {
  readonly id: number;
  readonly task: RowTask;
}

/** Worker → pool. */
export type WorkerReply =
  | { readonly kind: "ready" }
  | { readonly kind: "result"; readonly id: number; readonly rows: RowWork[RowCodec]["rows"] }
  | { readonly kind: "error"; readonly id: number; readonly message: string };
