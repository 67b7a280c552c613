import type { Precision, Scheduler } from "@stepdown/core";
import { checkPrecision } from "./check-plan.js";
import { createPlannedScheduler } from "./planned-scheduler.js";

/** Options of {@link createFixedScheduler}. */
export interface FixedSchedulerOptions {
  /** Precision of every decode forward pass. */
  readonly precision: Precision;
  /** Precision of the prompt. Default: the same. */
  readonly prefill?: Precision;
}

/** One precision from the first to the last token: the uniform baseline. */
export function createFixedScheduler({ precision, prefill = precision }: FixedSchedulerOptions): Scheduler {
  checkPrecision(precision, "precision");
  checkPrecision(prefill, "prefill");
  return createPlannedScheduler("fixed", { prefill, steps: [{ precision, from: 0 }] });
}
