/**
 * The threads that share a product: this one and workers over the same memory. A product is divided into more
 * parts than there are threads, and whoever is free takes the next; workers spin while a token is computed and sleep
 * afterwards. Where other programs keep the cores busy, this thread soon works alone for a while. Which thread computes a
 * row never changes its bits, so that results do not depend on the team.
 */
import type { KernelExports } from "../kernel-exports.js";
import type { LinearMemory } from "../linear-memory.js";
import {
  BOARD_LENGTH,
  END,
  FAILED,
  FINISHED,
  FUNCTION,
  LARGEST_PRODUCT,
  MAXIMUM_PARTS,
  PARALLEL_EXPORTS,
  PART_LENGTH,
  PARTS,
  type ParallelExport,
  PRODUCT_STEP,
  SLEEPERS,
  STATE,
} from "./board.js";
import { startWorker, type TeamWorker } from "./start-worker.js";

/** Parts of a product per thread: enough that a slow thread leaves the last ones to the others. */
const PARTS_PER_THREAD = 4;
/** Looks for the last parts before this thread naps: about 0.2 ms. */
const PATIENCE = 50_000;
/** Length of a nap. Whoever still computes has no core to itself and may have this one. */
const NAP_MILLISECONDS = 0.1;

/** Share of a product's time that waiting for the last parts may take: twice what parts of equal length need. */
const WAITING_SHARE = 0.3;
/** Waiting beyond that share, added up, from which on others evidently have no core: a third of a time slice. */
const LARGEST_DEBT_MILLISECONDS = 1;
/**
 * How long this thread works alone then: about a time slice, twice as long each time that trouble returns soon. A machine
 * that is only disturbed now and then loses little, and one that stays busy is tried again every second.
 */
const FIRST_REST_MILLISECONDS = 4;
const LONGEST_REST_MILLISECONDS = 1000;
/** Trouble later than this after a rest is new trouble. */
const FORGIVENESS_MILLISECONDS = 1000;

/** This thread and perhaps workers. */
export class ThreadTeam implements AsyncDisposable {
  readonly #exports: KernelExports;
  readonly #workers: TeamWorker[] = [];
  #board: Int32Array = new Int32Array(0);
  #address = 0;
  #product = 0;
  #mayNap = false;
  /** Until when products are computed alone (`performance.now()`), and how long the next time. */
  #aloneUntil = 0;
  #rest = FIRST_REST_MILLISECONDS;
  /** Milliseconds waited beyond what is usual. */
  #debt = 0;

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
    const address = memory.allocate(BOARD_LENGTH * 4, "what threads share");
    this.#address = address;
    this.#board = new Int32Array(memory.memory.buffer, address, BOARD_LENGTH).fill(0);
    this.#mayNap = mayWait(this.#board);
    const data = { module, memory: memory.memory, address };
    try {
      while (this.threads < threads) this.#workers.push(await startWorker(data));
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
    const mayShare = isShared && this.threads > 1 && calls.length > 1;
    const begin = mayShare ? performance.now() : 0;
    if (!mayShare || begin < this.#aloneUntil) {
      for (const numbers of calls) call(...numbers);
      return;
    }
    const board = this.#board;
    board[FUNCTION] = PARALLEL_EXPORTS.indexOf(name);
    calls.forEach((numbers, index) => {
      board.set(numbers, PARTS + index * PART_LENGTH);
    });
    Atomics.store(board, FINISHED, 0);
    // From here on workers may claim parts. The product's number only keeps a late sleeper awake.
    this.#product = (this.#product + 1) & LARGEST_PRODUCT;
    Atomics.store(board, STATE, this.#product * PRODUCT_STEP + calls.length);
    if (Atomics.load(board, SLEEPERS) > 0) Atomics.notify(board, STATE);
    this.#exports.shareParts(this.#address);
    this.#awaitOthers(calls.length, begin);
    if (board[FAILED] !== 0) throw new WebAssembly.RuntimeError(`${name} failed in a worker.`);
  }

  /** Waits for parts that others have claimed, and goes on alone when that takes too much of the time. */
  #awaitOthers(parts: number, begin: number): void {
    const board = this.#board;
    const alone = performance.now();
    let looks = PATIENCE;
    while (Atomics.load(board, FINISHED) !== parts)
      if (--looks < 0 && this.#mayNap) Atomics.wait(board, FAILED, 0, NAP_MILLISECONDS);
    const end = performance.now();
    this.#debt = Math.max(0, this.#debt + end - alone - WAITING_SHARE * (end - begin));
    if (this.#debt <= LARGEST_DEBT_MILLISECONDS) return;
    const isNew = begin > this.#aloneUntil + FORGIVENESS_MILLISECONDS;
    this.#rest = isNew ? FIRST_REST_MILLISECONDS : Math.min(LONGEST_REST_MILLISECONDS, 2 * this.#rest);
    this.#aloneUntil = end + this.#rest;
    this.#debt = 0;
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

/** Whether this thread may wait: the main thread of a page may not. */
function mayWait(board: Int32Array): boolean {
  try {
    Atomics.wait(board, FAILED, 1, 0);
    return true;
  } catch {
    return false;
  }
}
