/**
 * Chunks on several worker threads, each with an evaluator of its own: different chunks have nothing in common, so that
 * this scales better than sharing each product. A worker holds one model in float32 and one chunk's logits.
 */
import { Worker } from "node:worker_threads";
import { type ChunkEvaluator, type ChunkTask, createChunkEvaluator, type EvaluatorOptions } from "./chunk-evaluator.js";
import type { ChunkScores } from "./chunk-scores.js";
import type { VariantSource } from "./variants.js";

/** What a worker is started with. */
export interface WorkerStart {
  readonly stepdownQuality: EvaluatorOptions;
}

/** What a worker sends back. */
export type WorkerReply =
  | { readonly kind: "scores"; readonly source: VariantSource; readonly scores: ChunkScores }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly error: Error };

/** An evaluator on this thread (`worker` false) or on one of its own. */
export async function startEvaluator(options: EvaluatorOptions, worker: boolean): Promise<ChunkEvaluator> {
  return worker ? startWorker(options) : await createChunkEvaluator(options);
}

function startWorker(options: EvaluatorOptions): ChunkEvaluator {
  const fromSources = import.meta.url.endsWith(".ts");
  const entry = new URL(fromSources ? "./worker-from-sources.mjs" : "./quality-worker.js", import.meta.url);
  const worker = new Worker(entry, {
    workerData: { stepdownQuality: options } satisfies WorkerStart,
    ...(fromSources ? { execArgv: ["--conditions=@stepdown/source"] } : {}),
  });
  return {
    evaluate: (task, onScores, signal) =>
      new Promise((resolve, reject) => {
        const finish = (act: () => void): void => {
          worker.off("message", onMessage).off("error", onError).off("exit", onExit);
          signal?.removeEventListener("abort", onAbort);
          act();
        };
        const onMessage = (reply: WorkerReply): void => {
          if (reply.kind === "scores") onScores(reply.source, reply.scores);
          else if (reply.kind === "done") finish(resolve);
          else finish(() => reject(reply.error));
        };
        const onError = (error: Error): void => finish(() => reject(error));
        const onExit = (code: number): void => onError(new Error(`A worker thread ended with code ${code}.`));
        const onAbort = (): void => {
          void worker.terminate();
          finish(() => reject(signal!.reason));
        };
        if (signal?.aborted) return reject(signal.reason);
        worker.on("message", onMessage).on("error", onError).on("exit", onExit);
        signal?.addEventListener("abort", onAbort);
        worker.postMessage(task satisfies ChunkTask);
      }),
    [Symbol.asyncDispose]: async () => void (await worker.terminate()),
  };
}
