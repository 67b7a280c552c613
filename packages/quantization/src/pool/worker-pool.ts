/**
 * A pool of Node worker threads. Node only; loaded by `create-row-pool.ts` when it is wanted.
 *
 * Every worker has one range at a time; further ones wait in a queue on this side, where stopping the pool reaches them.
 */
import { OutOfMemoryError } from "@stepdown/core";
import type { RowPool } from "./row-pool.js";
import { inputBuffersOf, type RowCodec, type RowTask, type RowWork } from "./row-work.js";
import type { WorkerReply, WorkerRequest } from "./worker-messages.js";

interface Job {
  readonly task: RowTask;
  readonly resolve: (rows: RowWork[RowCodec]["rows"]) => void;
  readonly reject: (error: unknown) => void;
}

/** Starts `threads` workers, by default one per core; rejects when they cannot be started. */
export async function createWorkerPool(threads?: number): Promise<RowPool> {
  const [{ Worker }, { availableParallelism }] = await Promise.all([import("node:worker_threads"), import("node:os")]);
  const count = threads ?? availableParallelism();
  const fromSources = import.meta.url.endsWith(".ts");
  // Not written inside `new Worker(…)`: bundlers for browsers would follow it and fail on Node's modules.
  const entry = fromSources
    ? new URL("./worker-from-sources.mjs", import.meta.url)
    : new URL("./worker.js", import.meta.url);
  const startWorker = (): InstanceType<typeof Worker> =>
    new Worker(entry, fromSources ? { execArgv: ["--conditions=@stepdown/source"] } : {});
  const workers: { worker: InstanceType<typeof Worker>; job: Job | undefined }[] = [];
  const queue: Job[] = [];
  let nextId = 0;
  let failure: Error | undefined;

  const dispatch = (): void => {
    for (const slot of workers) {
      if (slot.job !== undefined) continue;
      const job = queue.shift();
      if (job === undefined) return;
      slot.job = job;
      slot.worker.postMessage({ id: nextId++, task: job.task } satisfies WorkerRequest, inputBuffersOf(job.task));
    }
  };

  /** A worker that dies takes the pool with it: its range is lost, and the reason (memory, as a rule) stays. */
  const fail = (error: Error): void => {
    failure ??= isOutOfMemory(error)
      ? new OutOfMemoryError("A worker thread ran out of memory; use fewer threads.", { cause: error })
      : error;
    for (const slot of workers) slot.job?.reject(failure);
    for (const job of queue.splice(0)) job.reject(failure);
  };

  const start = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const slot = { worker: startWorker(), job: undefined as Job | undefined };
      workers.push(slot);
      slot.worker.on("message", (reply: WorkerReply) => {
        if (reply.kind === "ready") return resolve();
        const job = slot.job;
        slot.job = undefined;
        if (reply.kind === "result") job?.resolve(reply.rows);
        else job?.reject(new Error(reply.message));
        dispatch();
      });
      slot.worker.on("error", (error) => {
        reject(error);
        fail(error);
      });
      slot.worker.on("exit", (code) => {
        const error = new Error(`A worker thread ended with code ${code}.`);
        reject(error);
        fail(error);
      });
    });

  const dispose = async (): Promise<void> => {
    failure ??= new Error("The pool has been disposed of.");
    await Promise.all(workers.map(({ worker }) => worker.terminate()));
  };

  try {
    await Promise.all(Array.from({ length: count }, start));
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    threads: count,
    quantize: <C extends RowCodec>(codec: C, range: RowWork[C]["range"]) =>
      new Promise<RowWork[C]["rows"]>((resolve, reject) => {
        if (failure !== undefined) return reject(failure);
        // The codec of the result is that of the task.
        queue.push({ task: { codec, range } as RowTask, resolve: resolve as Job["resolve"], reject });
        dispatch();
      }),
    [Symbol.asyncDispose]: dispose,
  };
}

function isOutOfMemory(error: Error): boolean {
  return (error as { code?: unknown }).code === "ERR_WORKER_OUT_OF_MEMORY";
}
