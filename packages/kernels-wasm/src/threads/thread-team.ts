/**
 * The threads that share a product: this one and workers over the same memory. A product is divided into more
 * parts than there are threads, and whoever is free takes the next; workers spin while a token is computed and sleep
 * afterwards. Which thread computes a row never changes its bits, so that results do not depend on the team.
 */
import type { KernelExports } from "../kernel-exports.js";
import type { LinearMemory } from "../linear-memory.js";
import {
  BOARD_LENGTH,
  COUNT,
  END,
  FAILED,
  FINISHED,
  FUNCTION,
  MAXIMUM_PARTS,
  PART_LENGTH,
  PARTS,
  SLEEPERS,
  STATE,
  UNCLAIMED,
  workerSource,
} from "./worker-source.js";

export { MAXIMUM_PARTS };

/** Exports that workers may be asked for; all take only integers. */
export type ParallelExport = Extract<
  keyof KernelExports,
  `dot${string}` | "multiplyPaired" | "attend"
>;

const PARALLEL_EXPORTS: readonly ParallelExport[] = [
  "dotDense32",
  "dotDense16",
  "dotCodebook",
  "dotUniform",
  "dotBytes",
  "dotPaired",
  "dotPairedTokens",
  "multiplyPaired",
  "attend",
];

/** Parts of a product per thread: enough that a slow thread leaves the last ones to the others. */
const PARTS_PER_THREAD = 4;
/** Looks for the last parts before this thread naps: about 0.2 ms. */
const PATIENCE = 50_000;
/** Length of a nap. Whoever still computes has no core to itself and may have this one. */
const NAP_MILLISECONDS = 0.1;

/** The part of Node's workers used here. */
interface Worker {
  once(event: "message" | "error" | "exit", listener: (value: unknown) => void): void;
  unref(): void;
  terminate(): Promise<number>;
}
type WorkerConstructor = new (
  source: string,
  options: { eval: true; execArgv: string[]; workerData: unknown; name: string },
) => Worker;

/** Node's worker class, or undefined elsewhere. Asking the process keeps node modules out of browser bundles. */
function findWorkers(): WorkerConstructor | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
  const found = process?.getBuiltinModule?.("node:worker_threads") as { Worker: WorkerConstructor } | undefined;
  return found?.Worker;
}

/** Why workers cannot share memory here, or undefined where they can. */
export function reasonAgainstThreads(): string | undefined {
  if (typeof SharedArrayBuffer === "undefined") return "this runtime has no shared memory";
  if (findWorkers() === undefined) return "workers are only used in Node so far";
  return undefined;
}

/** This thread and perhaps workers. */
export class ThreadTeam implements AsyncDisposable {
  readonly #exports: KernelExports;
  readonly #workers: Worker[] = [];
  #board: Int32Array = new Int32Array(0);
  #product = 0;

  constructor(exports: KernelExports) {
    this.#exports = exports;
  }

  /** Threads, this one included. */
  get threads(): number {
    return this.#workers.length + 1;
  }

  /** Into how many parts a product is best divided. */
  get parts(): number {
    return this.threads === 1 ? 1 : Math.min(MAXIMUM_PARTS, this.threads * PARTS_PER_THREAD);
  }

  /** Starts workers until there are `threads`; rejects, with none left running, when one cannot start. */
  async hire(threads: number, module: WebAssembly.Module, memory: LinearMemory): Promise<void> {
    const Worker = findWorkers()!;
    const address = memory.allocate(BOARD_LENGTH * 4, "what threads share");
    this.#board = new Int32Array(memory.memory.buffer, address, BOARD_LENGTH).fill(0);
    const workerData = { module, memory: memory.memory, address, names: PARALLEL_EXPORTS };
    try {
      while (this.threads < threads) {
        // Without the program's own flags, which may load compilers and hooks that a worker has no use for.
        const worker = new Worker(workerSource, { eval: true, execArgv: [], workerData, name: "stepdown kernels" });
        this.#workers.push(worker);
        await new Promise<void>((resolve, reject) => {
          worker.once("message", () => resolve());
          worker.once("error", reject);
          worker.once("exit", () => reject(new Error("the worker ended before it began")));
        });
        // A program that ends without disposing of its kernels is not held up.
        worker.unref();
      }
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Calls an export with each list of arguments, on any thread and in any order; returns when all are done. Work too short
   * to be worth it is not shared.
   */
  run(name: ParallelExport, calls: readonly (readonly number[])[], isShared = true): void {
    const call = this.#exports[name] as (...numbers: readonly number[]) => void;
    if (!isShared || this.threads === 1 || calls.length === 1) {
      for (const numbers of calls) call(...numbers);
      return;
    }
    const board = this.#board;
    board[FUNCTION] = PARALLEL_EXPORTS.indexOf(name);
    board[COUNT] = calls[0]!.length;
    calls.forEach((numbers, index) => {
      board.set(numbers, PARTS + index * PART_LENGTH);
    });
    Atomics.store(board, FINISHED, 0);
    // From here on workers may claim parts. The product's number only keeps a late sleeper awake.
    this.#product = (this.#product + 1) & 0x3fffff;
    Atomics.store(board, STATE, this.#product * (UNCLAIMED + 1) + calls.length);
    if (Atomics.load(board, SLEEPERS) > 0) Atomics.notify(board, STATE);
    for (;;) {
      const state = Atomics.load(board, STATE);
      const unclaimed = state & UNCLAIMED;
      if (unclaimed === 0) break;
      if (Atomics.compareExchange(board, STATE, state, state - 1) !== state) continue;
      call(...calls[unclaimed - 1]!);
      Atomics.add(board, FINISHED, 1);
    }
    let looks = PATIENCE;
    while (Atomics.load(board, FINISHED) !== calls.length)
      if (--looks < 0) Atomics.wait(board, FAILED, 0, NAP_MILLISECONDS);
    if (board[FAILED] !== 0) throw new WebAssembly.RuntimeError(`${name} failed in a worker.`);
  }

  /** Ends the workers. */
  async [Symbol.asyncDispose](): Promise<void> {
    const workers = this.#workers.splice(0);
    if (workers.length === 0) return;
    Atomics.store(this.#board, STATE, END);
    Atomics.notify(this.#board, STATE);
    // They end by themselves unless they never began.
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
