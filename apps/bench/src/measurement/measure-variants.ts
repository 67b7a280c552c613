/**
 * Times variants against each other: warm-up, then round after round with one repetition of each, so that slow changes of
 * the machine reach all of them alike. Disturbed repetitions are kept, marked, and repeated up to a limit.
 */
import type { BusyThreads, Disturbance, LoadWatch, RemoteTime } from "./load-watch.js";
import { roundOrder } from "./round-order.js";

/** One thing to be timed. */
export interface Variant {
  readonly name: string;
  /** The work, once. Synchronous work should return nothing: waiting for a promise costs a microsecond. */
  readonly run?: () => void | Promise<void>;
  /** In place of `run`: that many times by another process, which takes the times. */
  readonly runRemotely?: (runs: number) => Promise<RemoteTime>;
  /** Who computes. Default: the main thread, all the time. */
  readonly busy?: BusyThreads;
  /** Whether a repetition is always one run, however short. Default: as many as fill the minimum time. */
  readonly once?: boolean;
  /** Tidies up after a repetition, outside the timing. */
  readonly settle?: () => void | Promise<void>;
}

/** Options of {@link measureVariants}. */
export interface MeasureOptions {
  /** Quiet repetitions wanted of each variant. */
  readonly repetitions: number;
  /** Most repetitions that may be added per wanted one because of disturbances. */
  readonly retries: number;
  /** Repetitions before those that count, at least 1. */
  readonly warmUp: number;
  /** Shortest repetition, in milliseconds. */
  readonly minimumMilliseconds: number;
  readonly signal?: AbortSignal;
}

/** One repetition: time passed and processor time of all threads, in milliseconds per run. */
export interface Sample {
  readonly milliseconds: number;
  readonly processorTime: number;
  readonly disturbance?: Disturbance;
}

/** All repetitions of one variant, in the order in which they were made. */
export interface Measurement {
  readonly name: string;
  readonly runsPerRepetition: number;
  readonly samples: readonly Sample[];
}

/** Most runs of one repetition, so that a run too short for the clock does not go on for ever. */
const MAXIMUM_RUNS = 1_000_000;
/** Warm-up goes on for at least this many milliseconds: WebAssembly begins in a quick compiler's code. */
const MINIMUM_WARM_UP = 60;

interface Entry {
  readonly variant: Variant;
  readonly samples: Sample[];
  runs: number;
}

/** Measures all variants; the results are in the order of `variants`. */
export async function measureVariants(
  variants: readonly Variant[],
  watch: LoadWatch,
  options: MeasureOptions,
): Promise<Measurement[]> {
  const entries = variants.map((variant): Entry => ({ variant, samples: [], runs: 1 }));
  for (const entry of entries) await warmUp(entry, watch, options);

  const limit = options.repetitions * (1 + options.retries);
  const unfinished = ({ samples }: Entry): boolean =>
    samples.length < limit &&
    samples.filter(({ disturbance }) => disturbance === undefined).length < options.repetitions;
  let waiting = entries;
  for (let round = 0; waiting.length > 0; round++) {
    for (const index of roundOrder(waiting.length, round)) {
      const entry = waiting[index] as Entry;
      const { milliseconds, processorTime, disturbance } = await repeat(entry, watch, options);
      entry.samples.push({
        milliseconds: milliseconds / entry.runs,
        processorTime: processorTime / entry.runs,
        ...(disturbance === undefined ? {} : { disturbance }),
      });
    }
    waiting = waiting.filter(unfinished);
  }
  return entries.map(({ variant, runs, samples }) => ({ name: variant.name, runsPerRepetition: runs, samples }));
}

/** Runs a variant until it is warm and finds out how many runs fill a repetition. */
async function warmUp(entry: Entry, watch: LoadWatch, options: MeasureOptions): Promise<void> {
  const { once = false } = entry.variant;
  const enough = once ? 0 : MINIMUM_WARM_UP;
  const target = Math.max(options.minimumMilliseconds, enough / options.warmUp);
  let spent = 0;
  let perRun = 0;
  for (let i = 0; i < options.warmUp || spent < enough; i++) {
    const { milliseconds } = await repeat(entry, watch, options);
    spent += milliseconds;
    perRun = milliseconds / entry.runs;
    if (!once) entry.runs = runsFor(perRun, target);
  }
  if (!once) entry.runs = runsFor(perRun, options.minimumMilliseconds);
}

function runsFor(millisecondsPerRun: number, minimumMilliseconds: number): number {
  if (!(millisecondsPerRun > 0)) return MAXIMUM_RUNS;
  return Math.min(MAXIMUM_RUNS, Math.max(1, Math.ceil(minimumMilliseconds / millisecondsPerRun)));
}

async function repeat({ variant, runs }: Entry, watch: LoadWatch, { signal }: MeasureOptions) {
  // A turn of the event loop: without it Ctrl-C would never be heard between synchronous repetitions.
  await new Promise((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
  const { run, runRemotely } = variant;
  const work = async (): Promise<void> => {
    for (let i = 0; i < runs; i++) {
      const waiting = run?.();
      if (waiting !== undefined) await waiting;
    }
  };
  const time = await watch.observe(
    runRemotely === undefined ? work : async () => await runRemotely(runs),
    variant.busy,
  );
  await variant.settle?.();
  return time;
}
