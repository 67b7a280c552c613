/**
 * Entry of a worker thread: quantizes the ranges of rows it is sent. Its own file in the published package, loaded by
 * `pool/worker-pool.ts`; it exports nothing and is of no use on the main thread.
 */
import { parentPort } from "node:worker_threads";
import { buffersOf, quantizeTask } from "./pool/row-work.js";
import type { WorkerReply, WorkerRequest } from "./pool/worker-messages.js";

const port = parentPort;
if (port !== null) {
  port.on("message", ({ id, task }: WorkerRequest) => {
    try {
      const rows = quantizeTask(task);
      port.postMessage({ kind: "result", id, rows } satisfies WorkerReply, buffersOf(rows));
    } catch (error) {
      port.postMessage({ kind: "error", id, message: String(error) } satisfies WorkerReply);
    }
  });
  port.postMessage({ kind: "ready" } satisfies WorkerReply);
}
