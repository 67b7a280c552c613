/**
 * Threads that share the parts of one record: this one and workers over the same memory. Whoever is free claims the next
 * part, the last one first; which thread computes a part changes no bits.
 */
import type { LinearMemory } from "../linear-memory.js";
import { roundUp } from "../linear-memory.js";
import { reasonAgainstThreads } from "../threads/start-worker.js";
import {
  BOARD_LENGTH,
  END,
  FAILED,
  FINISHED,
  RECORD,
  SCRATCH,
  SCRATCH_BYTES,
  STATE,
  UNCLAIMED,
  workerSource,
} from "./worker-source.js";

/** The one export that jobs go through. */
export interface JobExports {
  heapBase(): number;
  runGradientJob(record: number, part: number, scratch: number): void;
}

/** Looks for the last parts before this thread naps. */
const PATIENCE = 20_000;
/** Length of a nap: whoever still computes may have this core. */
const NAP_MILLISECONDS = 0.1;
/** Records are numbered modulo this, which leaves the state positive. */
const RECORD_NUMBERS = 0x4000;

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

/** This thread and perhaps workers. */
export class JobTeam implements AsyncDisposable {
  readonly #exports: JobExports;
  readonly #memory: LinearMemory;
  readonly #address: number;
  readonly #workers: Worker[] = [];
  #number = 0;

  constructor(exports: JobExports, memory: LinearMemory) {
    this.#exports = exports;
    this.#memory = memory;
    this.#address = memory.allocate(BOARD_LENGTH * 4, "what threads share");
    this.#board().fill(0);
  }

  /** Threads, this one included. */
  get threads(): number {
    return this.#workers.length + 1;
  }

  /** Starts workers until there are `threads`, or none where workers cannot be had. */
  async hire(threads: number, module: WebAssembly.Module): Promise<void> {
    if (threads < 2 || reasonAgainstThreads() !== undefined) return;
    const { process } = globalThis as { process?: { getBuiltinModule?(name: string): unknown } };
    const { Worker } = (process?.getBuiltinModule?.("node:worker_threads") ?? {}) as { Worker?: WorkerConstructor };
    if (Worker === undefined) return;
    try {
      while (this.threads < threads) {
        const workerData = { module, memory: this.#memory.memory, address: this.#address, thread: this.threads };
        const worker = new Worker(workerSource, { eval: true, execArgv: [], workerData, name: "stepdown gradients" });
        this.#workers.push(worker);
        await new Promise<void>((resolve, reject) => {
          worker.once("message", () => resolve());
          worker.once("error", reject);
          worker.once("exit", () => reject(new Error("a worker ended before it began")));
        });
        worker.unref();
      }
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Computes all parts of a record; each thread has `scratchBytes` of its own, of unspecified content. */
  run(record: Int32Array, parts: number, scratchBytes: number): void {
    this.#provideScratch(scratchBytes);
    // A new view every time: memory that grew leaves older ones behind.
    const board = this.#board();
    const scratch = board[SCRATCH]! >>> 0;
    board.set(record, RECORD);
    const at = this.#address + RECORD * 4;
    // A single part is not worth waking anyone for.
    if (this.threads === 1 || parts === 1) {
      for (let part = parts - 1; part >= 0; part--) this.#exports.runGradientJob(at, part, scratch);
      return;
    }
    if (parts > UNCLAIMED) throw new RangeError(`${parts} parts are more than a board can count.`);
    Atomics.store(board, FINISHED, 0);
    this.#number = (this.#number + 1) % RECORD_NUMBERS;
    Atomics.store(board, STATE, this.#number * (UNCLAIMED + 1) + parts);
    Atomics.notify(board, STATE);
    for (;;) {
      const state = Atomics.load(board, STATE);
      const unclaimed = state & UNCLAIMED;
      if (unclaimed === 0) break;
      if (Atomics.compareExchange(board, STATE, state, state - 1) !== state) continue;
      this.#exports.runGradientJob(at, unclaimed - 1, scratch);
      Atomics.add(board, FINISHED, 1);
    }
    let looks = PATIENCE;
    while (Atomics.load(board, FINISHED) !== parts) if (--looks < 0) Atomics.wait(board, FAILED, 0, NAP_MILLISECONDS);
    if (board[FAILED] !== 0) throw new WebAssembly.RuntimeError("A part of a backward pass failed in a worker.");
  }

  /** Ends the workers. */
  async [Symbol.asyncDispose](): Promise<void> {
    const workers = this.#workers.splice(0);
    if (workers.length === 0) return;
    const board = this.#board();
    Atomics.store(board, STATE, END);
    Atomics.notify(board, STATE);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #board(): Int32Array {
    return new Int32Array(this.#memory.memory.buffer, this.#address, BOARD_LENGTH);
  }

  /** Makes sure that every thread has so many bytes of scratch. */
  #provideScratch(wanted: number): void {
    const [held, address] = [this.#board()[SCRATCH_BYTES]!, this.#board()[SCRATCH]! >>> 0];
    if (wanted <= held) return;
    if (held > 0) this.#memory.release(address);
    this.#board()[SCRATCH_BYTES] = 0;
    const bytes = roundUp(wanted, 64);
    const scratch = this.#memory.allocate(bytes * this.threads, "scratch of the backward pass");
    const board = this.#board();
    board[SCRATCH] = scratch;
    board[SCRATCH_BYTES] = bytes;
  }
}
