/**
 * Whether something else disturbed a repetition. Two signs, because each misses what the other sees:
 *
 * - Missing processor time: threads that should have computed all the time got less than the wall time, so they were
 *   taken off their cores.
 * - A slow spin loop just before or after: the core itself ran slower (lower clock, a shared core, a stolen virtual one),
 *   which counts as processor time all the same.
 *
 * Neither sees another program that takes memory bandwidth on another core; the report gives the share of the machine
 * that other programs used for that.
 */
import type { Clock } from "./clock.js";

/** Share of the processor time that may be missing: timers and the scheduler's own ticks take 1 to 2 %. */
const MISSING_SHARE_LIMIT = 0.05;
/** How much slower than its best the spin loop may be: clocks of one core differ by some 10 % from moment to moment. */
const SLOW_SPIN_LIMIT = 1.25;
/** Spins before the first repetition; the fastest is the reference, and the compiler has seen the loop by then. */
const CALIBRATION_SPINS = 50;

/** Why a repetition does not count as quiet. */
export type Disturbance = "descheduled" | "slow core";

/** Threads that compute while the work runs. */
export interface BusyThreads {
  readonly threads: number;
  /** Share of the time that they compute when nothing disturbs them: below 1 where they wait for files or each other. */
  readonly share: number;
}

/**
 * Share of a run in which each of several threads surely computes: they wait for each other at every handover, which looks
 * like idling, and a machine's own ticks hit each of them. The same for everybody's engines.
 */
export const TEAM_SHARE = 0.7;

/** Work that the main thread does alone, without ever waiting. */
const MAIN_THREAD: BusyThreads = { threads: 1, share: 1 };

/** What was seen around one repetition; times in milliseconds. */
export interface Observation {
  readonly wall: number;
  readonly processorTime: number;
  readonly busy: BusyThreads;
  readonly spinBefore: number;
  readonly spinAfter: number;
  /** The fastest spin so far. */
  readonly spinReference: number;
}

/** The verdict on one observation; `undefined`: quiet. */
export function judge(observation: Observation): Disturbance | undefined {
  const { wall, processorTime, busy, spinBefore, spinAfter, spinReference } = observation;
  const expected = wall * busy.threads * busy.share;
  if (processorTime < expected * (1 - MISSING_SHARE_LIMIT)) return "descheduled";
  if (Math.max(spinBefore, spinAfter) > spinReference * SLOW_SPIN_LIMIT) return "slow core";
  return undefined;
}

/** One timed repetition. */
export interface WatchedTime {
  readonly milliseconds: number;
  /** Processor time of the whole process meanwhile, in milliseconds: what the work cost, whoever else was about. */
  readonly processorTime: number;
  readonly disturbance: Disturbance | undefined;
}

/** Times of work that another process did and timed itself, in milliseconds. */
export interface RemoteTime {
  readonly milliseconds: number;
  readonly processorTime: number;
}

/** Times repetitions and watches for foreign load. */
export interface LoadWatch {
  /**
   * Runs the action; `busy` is who computes. Default: the main thread, all the time. Times that the action returns count
   * instead of the ones taken here.
   */
  observe(action: () => void | Promise<void> | Promise<RemoteTime>, busy?: BusyThreads): Promise<WatchedTime>;
}

/** Calibrates the spin loop and returns a watch. */
export function createLoadWatch(clock: Clock): LoadWatch {
  let spinReference = Number.POSITIVE_INFINITY;
  const spin = (): number => {
    const start = clock.wall();
    clock.spin();
    const time = clock.wall() - start;
    spinReference = Math.min(spinReference, time);
    return time;
  };
  for (let i = 0; i < CALIBRATION_SPINS; i++) spin();
  return {
    async observe(action, busy) {
      const spinBefore = spin();
      const thread = busy === undefined ? clock.mainThreadTime() : undefined;
      const processor = clock.processorTime();
      const start = clock.wall();
      const waiting = action();
      const remote = (waiting === undefined ? undefined : await waiting) as RemoteTime | undefined;
      const wall = remote?.milliseconds ?? clock.wall() - start;
      const processorTime = remote?.processorTime ?? clock.processorTime() - processor;
      // The main thread's own time is the better witness: compilers and collectors in the background do not fill its gaps.
      const isOwn = thread !== undefined && remote === undefined;
      const witness = isOwn ? (clock.mainThreadTime() as number) - thread : processorTime;
      const spinAfter = spin();
      const disturbance = judge({
        ...{ wall, processorTime: witness, busy: busy ?? MAIN_THREAD },
        ...{ spinBefore, spinAfter, spinReference },
      });
      return { milliseconds: wall, processorTime, disturbance };
    },
  };
}
