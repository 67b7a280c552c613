import type { Scheduler } from "@stepdown/core";
import { checkPlan } from "./check-plan.js";
import { createPlannedScheduler } from "./planned-scheduler.js";
import type { SchedulePlan } from "./schedule-plan.js";

/**
 * Precision that steps down at points known beforehand, whatever the prompt: PMPD's static scheduler (arXiv 2410.13461),
 * for any number of precisions. `{ steps: [{ precision: 4, from: 0 }, { precision: 3, from: 85 }] }` makes exactly 85
 * decode forward passes at 4 bits. Throws `InvalidScheduleError` for precisions that rise or points that do not.
 */
export function createStaticScheduler(plan: SchedulePlan): Scheduler {
  checkPlan(plan);
  return createPlannedScheduler("static", plan);
}
