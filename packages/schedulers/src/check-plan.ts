import { InvalidScheduleError, isPrecision, type Precision } from "@stepdown/core";
import type { SchedulePlan, ScheduleStep, SwitchPoint } from "./schedule-plan.js";

/** Largest switch point: more decode passes than any context has, and still exact in 32 bits. */
export const MAXIMUM_SWITCH_POINT: number = 2 ** 31 - 1;

/** What is wrong with a plan, and which of its parts it is about. */
export interface PlanFault {
  readonly part: "prefill" | "precision" | "from" | "steps";
  /** Index of the step; 0 for faults of the whole. */
  readonly step: number;
  readonly message: string;
}

/** The first fault of a plan, or `undefined`. */
export function findPlanFault({ prefill, steps }: SchedulePlan): PlanFault | undefined {
  if (prefill !== undefined && !isPrecision(prefill)) return fault("prefill", 0, notAPrecision(prefill));
  if (steps.length === 0) return fault("steps", 0, "a schedule needs at least one precision");
  for (const [index, step] of steps.entries()) {
    if (!isPrecision(step.precision)) return fault("precision", index, notAPrecision(step.precision));
    const found = findPointFault(step.from) ?? findOrderFault(steps, index);
    if (found !== undefined) return { ...found, step: index };
  }
  return undefined;
}

/** Throws `InvalidScheduleError` for a plan with a fault. */
export function checkPlan(plan: SchedulePlan): void {
  const found = findPlanFault(plan);
  if (found === undefined) return;
  const where = found.part === "prefill" ? "prefill" : `steps[${found.step}]`;
  throw new InvalidScheduleError(`The schedule's ${where} cannot work: ${found.message}.`);
}

/** Throws `InvalidScheduleError` unless a value is a precision. */
export function checkPrecision(value: Precision, what: string): void {
  if (!isPrecision(value))
    throw new InvalidScheduleError(`The schedule's ${what} cannot work: ${notAPrecision(value)}.`);
}

function findPointFault(from: SwitchPoint): Omit<PlanFault, "step"> | undefined {
  if (typeof from === "number") {
    if (Number.isInteger(from) && from >= 0 && from <= MAXIMUM_SWITCH_POINT) return undefined;
    const message = `a switch point is a whole number from 0 to ${MAXIMUM_SWITCH_POINT} or a percentage, not ${from}`;
    return { part: "from", message };
  }
  if (typeof from?.percent === "number" && from.percent >= 0 && from.percent <= 100) return undefined;
  return { part: "from", message: `a percentage lies between 0 and 100, not at ${String(from?.percent)}` };
}

function findOrderFault(steps: readonly ScheduleStep[], index: number): Omit<PlanFault, "step"> | undefined {
  const { precision, from } = steps[index]!;
  const before = steps[index - 1];
  if (before === undefined)
    return from === 0
      ? undefined
      : { part: "from", message: "the first precision holds from 0; there is none before it" };
  if (precision >= before.precision) {
    const message = `precision must fall from step to step, but ${precision} comes after ${before.precision}`;
    return { part: "precision", message };
  }
  // The first step's own 0 does not count: switching at 0 means that the first precision is used for prefill only.
  const isComparable = index > 1 && typeof before.from === typeof from;
  if (!isComparable || pointValue(from) > pointValue(before.from)) return undefined;
  return { part: "from", message: "switch points must rise, but this one does not lie behind the one before it" };
}

const pointValue = (point: SwitchPoint): number => (typeof point === "number" ? point : point.percent);

const notAPrecision = (value: unknown): string => `a precision is 1 to 8, 16 or 32 bits, not ${String(value)}`;

const fault = (part: PlanFault["part"], step: number, message: string): PlanFault => ({ part, step, message });
