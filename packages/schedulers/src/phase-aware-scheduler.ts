import type { Precision, Scheduler } from "@stepdown/core";
import { checkPrecision } from "./check-plan.js";
import { createPlannedScheduler } from "./planned-scheduler.js";

/** Options of {@link createPhaseAwareScheduler}. */
export interface PhaseAwareSchedulerOptions {
  /** Precision of the prompt, usually the highest there is. */
  readonly prefill: Precision;
  /** Precision of every decode forward pass. */
  readonly decode: Precision;
}

/** One precision for the prompt and one for decoding: the first part of PMPD (arXiv 2410.13461). */
export function createPhaseAwareScheduler({ prefill, decode }: PhaseAwareSchedulerOptions): Scheduler {
  checkPrecision(prefill, "prefill");
  checkPrecision(decode, "decode");
  return createPlannedScheduler("phase-aware", { prefill, steps: [{ precision: decode, from: 0 }] });
}
