import { InvalidScheduleError, type Precision, type ScheduleRequest, type Scheduler } from "@stepdown/core";
import { resolveSwitchPoint, type SchedulePlan } from "./schedule-plan.js";

/**
 * A scheduler that follows a checked plan. It is asked before every decode forward pass with the number of passes made
 * so far, and answers with the last step whose switch point has been reached.
 *
 * Where a count and a percentage change places under a small token limit (`4,3@40,2@50%` of 10 tokens), the lower
 * precision wins as soon as its own point is reached, so that precision never rises.
 */
export function createPlannedScheduler(name: string, plan: SchedulePlan): Scheduler {
  const steps = plan.steps.map((step) => ({ ...step }));
  const prefill = plan.prefill ?? steps[0]!.precision;
  const precisions = [...new Set([prefill, ...steps.map(({ precision }) => precision)])];
  return {
    specificationVersion: "v1",
    name,
    precisions,
    start(request) {
      requireAvailable(name, precisions, request);
      const points = steps.map(({ from }) => resolveSwitchPoint(from, request.maximumNewTokens));
      return {
        prefill,
        decide: ({ index }) => steps[points.findLastIndex((point) => point <= index)]!.precision,
      };
    },
  };
}

/** Throws unless the model offers every precision that a schedule may choose. */
function requireAvailable(name: string, precisions: readonly Precision[], { available }: ScheduleRequest): void {
  const missing = precisions.filter((precision) => !available.includes(precision));
  if (missing.length > 0)
    throw new InvalidScheduleError(
      `The ${name} schedule needs precision ${missing.join(" and ")}; the model offers ${available.join(", ") || "none"}. ` +
        "Choose among these, or load the model with more bits.",
    );
}
