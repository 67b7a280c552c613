import type { Scheduler } from "@stepdown/core";
import { createFixedScheduler } from "./fixed-scheduler.js";
import { parseSchedule } from "./parse-schedule.js";
import { createPhaseAwareScheduler } from "./phase-aware-scheduler.js";
import { createStaticScheduler } from "./static-scheduler.js";

/**
 * The scheduler a shorthand such as `8:4,3@85` stands for: fixed, phase-aware or static. Percentages are resolved per
 * sequence. Throws `InvalidScheduleError` as `parseSchedule` does.
 */
export function createSchedulerFromText(text: string): Scheduler {
  const plan = parseSchedule(text);
  const [first, ...later] = plan.steps;
  if (later.length > 0) return createStaticScheduler(plan);
  const { precision } = first!;
  if (plan.prefill === undefined) return createFixedScheduler({ precision });
  return createPhaseAwareScheduler({ prefill: plan.prefill, decode: precision });
}
