import { InvalidScheduleError, type PrecisionDecision, type Scheduler } from "@stepdown/core";

/** Checks that a scheduler's decision is one it declared: its precisions only, and one per block if it is per block. */
export function checkDecision(
  decision: PrecisionDecision,
  scheduler: Scheduler,
  blocks: number,
  when: string,
): PrecisionDecision {
  const parts: readonly unknown[] = Array.isArray(decision) ? decision : [decision];
  if (Array.isArray(decision) && decision.length !== blocks) {
    throw new InvalidScheduleError(
      `Scheduler ${scheduler.name} decided on ${decision.length} precisions ${when}; the model has ${blocks} blocks. ` +
        "Return one precision, or one per block.",
    );
  }
  for (const part of parts) {
    if (!(scheduler.precisions as readonly unknown[]).includes(part)) {
      throw new InvalidScheduleError(
        `Scheduler ${scheduler.name} decided on ${String(part)} bits ${when}; it declared ${scheduler.precisions.join(", ")}. ` +
          "List every precision it may choose in precisions.",
      );
    }
  }
  // A copy, so that a scheduler that reuses its array cannot change the trace afterwards.
  return Array.isArray(decision) ? [...decision] : decision;
}
