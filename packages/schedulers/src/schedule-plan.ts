import type { Precision } from "@stepdown/core";

/** A schedule known before the prompt is: precisions that step down at given points of the decoding. */
export interface SchedulePlan {
  /** Precision of the prompt. Default: the first step's, the highest of the decoding. */
  readonly prefill?: Precision;
  /** At least one, the first from 0; precisions fall from step to step. */
  readonly steps: readonly ScheduleStep[];
}

/** One precision and the point it holds from. */
export interface ScheduleStep {
  readonly precision: Precision;
  readonly from: SwitchPoint;
}

/**
 * Where a step begins: a number of decode forward passes that come before it (85: the passes with index 0 … 84 belong to
 * the step before), or a share of the sequence's token limit in percent, rounded down to whole passes.
 */
export type SwitchPoint = number | { readonly percent: number };

/** Keeps shares that are whole numbers whole: 1.15 % of 2000 is 23, though the product in float64 is a little less. */
const ROUNDING_ROOM = 1e-9;

/** A switch point as a number of decode forward passes: `floor(percent / 100 · maximumNewTokens)`. */
export function resolveSwitchPoint(point: SwitchPoint, maximumNewTokens: number): number {
  if (typeof point === "number") return point;
  return Math.floor((point.percent * maximumNewTokens) / 100 + ROUNDING_ROOM);
}
