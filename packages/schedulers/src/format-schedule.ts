import type { SchedulePlan, SwitchPoint } from "./schedule-plan.js";

/** The shorthand of a plan, for reports: what `parseSchedule` reads back as the same plan. */
export function formatSchedule({ prefill, steps }: SchedulePlan): string {
  const parts = steps.map(({ precision, from }, index) =>
    index === 0 ? `${precision}` : `${precision}@${point(from)}`,
  );
  return (prefill === undefined ? "" : `${prefill}:`) + parts.join(",");
}

const point = (from: SwitchPoint): string => (typeof from === "number" ? `${from}` : `${from.percent}%`);
