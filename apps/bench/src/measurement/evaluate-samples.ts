import type { Measurement } from "./measure-variants.js";
import { median, type Summary, summarize } from "./statistics.js";

/** What the repetitions of one variant come to. */
export interface Evaluation extends Summary {
  /** The repetitions that count, milliseconds per run. */
  readonly used: readonly number[];
  /** Median of their processor time, milliseconds per run. */
  readonly processorMedian: number;
  /** Share of all repetitions that were disturbed. */
  readonly disturbedShare: number;
  /** Whether enough quiet repetitions were had. */
  readonly reliable: boolean;
}

/** Share of the wanted repetitions that must be quiet for the disturbed ones to be left out. */
const QUIET_SHARE = 0.5;

/**
 * Uses the quiet repetitions, or all of them where fewer than half of the wanted number were quiet: a median of two
 * repetitions is no better for being quiet. The second case is marked as not reliable.
 */
export function evaluateSamples({ samples }: Pick<Measurement, "samples">, repetitions: number): Evaluation {
  const quiet = samples.filter(({ disturbance }) => disturbance === undefined);
  const reliable = quiet.length >= repetitions * QUIET_SHARE;
  const chosen = reliable ? quiet : samples;
  const used = chosen.map(({ milliseconds }) => milliseconds);
  const processorMedian = median(chosen.map(({ processorTime }) => processorTime));
  return { ...summarize(used), used, processorMedian, reliable, disturbedShare: 1 - quiet.length / samples.length };
}
