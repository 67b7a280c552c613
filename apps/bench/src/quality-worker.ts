/**
 * Entry of a worker thread of the quality suite: scores the chunks it is sent. Its own file in the published package,
 * loaded by `quality/evaluator-pool.ts`; it exports nothing and is of no use on the main thread.
 */
import { parentPort, workerData } from "node:worker_threads";
import { type ChunkEvaluator, type ChunkTask, createChunkEvaluator } from "./quality/chunk-evaluator.js";
import type { WorkerReply, WorkerStart } from "./quality/evaluator-pool.js";

const port = parentPort;
const options = (workerData as Partial<WorkerStart> | null)?.stepdownQuality;
if (port !== null && options !== undefined) {
  let evaluator: Promise<ChunkEvaluator> | undefined;
  const reply = (message: WorkerReply): void => port.postMessage(message);
  port.on("message", async (task: ChunkTask) => {
    try {
      evaluator ??= createChunkEvaluator(options);
      await (await evaluator).evaluate(task, (source, scores) => reply({ kind: "scores", source, scores }));
      reply({ kind: "done" });
    } catch (error) {
      reply({ kind: "failed", error: error instanceof Error ? error : new Error(String(error)) });
    }
  });
}
