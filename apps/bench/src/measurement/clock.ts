/** What time is read from; tests replace it. */
export interface Clock {
  /** Time passed, in milliseconds. */
  wall(): number;
  /** Processor time this process has used, all threads together, in milliseconds. */
  processorTime(): number;
  /** Processor time the main thread has used, in milliseconds; `undefined` where Node cannot tell (before 23.9). */
  mainThreadTime(): number | undefined;
  /** Runs a fixed amount of arithmetic on one core. */
  spin(): void;
}

/** Steps of the spin loop: some 0.3 ms, long enough to be timed well and short beside a repetition. */
const SPIN_STEPS = 300_000;

let spinSink = 1;

/** The clock of this process. */
export const systemClock: Clock = {
  wall: () => performance.now(),
  processorTime: () => milliseconds(process.cpuUsage()),
  mainThreadTime: () => (threadUsage === undefined ? undefined : milliseconds(threadUsage())),
  spin() {
    let value = spinSink;
    // A chain of dependent operations that no compiler shortens; its result is kept so that it cannot be left out.
    for (let i = 0; i < SPIN_STEPS; i++) value = (Math.imul(value, 0x5bd1e995) + i) | 0;
    spinSink = value | 1;
  },
};

const threadUsage = (process as { threadCpuUsage?: () => NodeJS.CpuUsage }).threadCpuUsage?.bind(process);

function milliseconds(usage: NodeJS.CpuUsage): number {
  return (usage.user + usage.system) / 1000;
}
