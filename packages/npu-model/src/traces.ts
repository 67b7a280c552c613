import type { PrecisionDecision, PrecisionTrace } from "@stepdown/core";
import { checkInteger, MAXIMUM_TOKENS, refuse } from "./checks.js";

/** How long prompt and answer are. */
export interface Workload {
  readonly promptTokens: number;
  /** Tokens of the answer, S; at least 2, because the first one comes out of prefill and the last is not fed back. */
  readonly newTokens: number;
}

/** The trace of a generation at one precision: S − 1 decode passes for S tokens. */
export function uniformTrace(workload: Workload, precision: PrecisionDecision): PrecisionTrace {
  return scheduledTrace(workload, () => precision, precision);
}

/**
 * The trace of a schedule given as a function of the decode pass's index (0-based). `prefill` is the prompt's precision.
 * Example: `4,3@85` is `(index) => (index < 85 ? 4 : 3)`.
 */
export function scheduledTrace(
  workload: Workload,
  schedule: (index: number) => PrecisionDecision,
  prefill: PrecisionDecision,
): PrecisionTrace {
  checkInteger("workload.promptTokens", workload.promptTokens, 1, MAXIMUM_TOKENS);
  checkInteger("workload.newTokens", workload.newTokens, 2, MAXIMUM_TOKENS);
  if (typeof schedule !== "function") refuse("schedule", schedule, "a function of the decode pass's index");
  return {
    promptTokens: workload.promptTokens,
    prefill,
    decode: Array.from({ length: workload.newTokens - 1 }, (_, index) => schedule(index)),
  };
}
