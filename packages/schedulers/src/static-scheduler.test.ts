import { readFileSync } from "node:fs";
import { InvalidScheduleError, type PrecisionDecision, type Scheduler } from "@stepdown/core";
import { goldenPath, skipReason } from "@stepdown/test-support";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFixedScheduler } from "./fixed-scheduler.js";
import { createPhaseAwareScheduler } from "./phase-aware-scheduler.js";
import type { SchedulePlan } from "./schedule-plan.js";
import { createSchedulerFromText } from "./scheduler-from-text.js";
import { createStaticScheduler } from "./static-scheduler.js";

const available = [1, 2, 3, 4, 5, 6, 7, 8, 16, 32];

/** Decisions for consecutive indices of one sequence. */
function decisions(scheduler: Scheduler, first: number, count: number, maximumNewTokens = count): PrecisionDecision[] {
  const sequence = scheduler.start({ promptTokens: 3, maximumNewTokens, blocks: 2, available });
  return Array.from({ length: count }, (_, offset) => {
    const decision = sequence.decide({ index: first + offset, previous: undefined });
    if (decision instanceof Promise) throw new Error("a planned schedule has no reason to wait");
    return decision;
  });
}

const runs = (lengths: readonly [number, number][]): number[] =>
  lengths.flatMap(([precision, length]) => new Array(length).fill(precision));

interface GoldenCase {
  precisions: number[];
  maxSteps: number;
  highSteps: number;
  reference: [number, number][];
  corrected: [number, number][];
}

const path = goldenPath("schedulers", "traces", "naive.json");
const cases: GoldenCase[] = path ? JSON.parse(readFileSync(path, "utf8")).cases : [];

function planOf({ precisions, highSteps }: GoldenCase): SchedulePlan {
  const [high, low] = [...precisions].sort((one, other) => other - one);
  const steps = [{ precision: high!, from: 0 }];
  return { steps: low === undefined ? steps : [...steps, { precision: low, from: highSteps }] };
}

describe.skipIf(!path)(path ? "golden static schedules" : skipReason("golden static schedules"), () => {
  it("has cases", () => {
    expect(cases.length).toBeGreaterThan(0);
  });

  it("decides as corrected when asked before every decode forward pass", () => {
    for (const golden of cases)
      expect(decisions(createStaticScheduler(planOf(golden)), 0, golden.maxSteps)).toEqual(runs(golden.corrected));
  });

  it("decides as the reference when asked with its indices, which begin at 1", () => {
    for (const golden of cases)
      expect(decisions(createStaticScheduler(planOf(golden)), 1, golden.maxSteps)).toEqual(runs(golden.reference));
  });
});

describe("createStaticScheduler", () => {
  it("makes exactly as many passes at the first precision as the switch point says", () => {
    expect(decisions(createSchedulerFromText("4,3@2"), 0, 4)).toEqual([4, 4, 3, 3]);
    expect(decisions(createSchedulerFromText("4,3@0"), 0, 2)).toEqual([3, 3]);
    expect(decisions(createSchedulerFromText("8:4,3@1,2@3"), 0, 5)).toEqual([4, 3, 3, 2, 2]);
  });

  it("resolves percentages from each sequence's own limit, rounded down", () => {
    const scheduler = createSchedulerFromText("4,3@50%");
    expect(decisions(scheduler, 0, 5, 5)).toEqual([4, 4, 3, 3, 3]);
    expect(decisions(scheduler, 0, 5, 8)).toEqual([4, 4, 4, 4, 3]);
    expect(decisions(scheduler, 0, 1, 1)).toEqual([3]);
    expect(decisions(createSchedulerFromText("4,3@100%"), 0, 3, 3)).toEqual([4, 4, 4]);
  });

  it("takes the lower precision where a percentage comes before a count", () => {
    expect(decisions(createSchedulerFromText("4,3@6,2@50%"), 0, 8, 8)).toEqual([4, 4, 4, 4, 2, 2, 2, 2]);
  });

  it("spends every pass at the precision of the step it lies in", () => {
    const plans = fc.record({
      precisions: fc.uniqueArray(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 5 }),
      gaps: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 5, maxLength: 5 }),
      limit: fc.integer({ min: 1, max: 60 }),
    });
    fc.assert(
      fc.property(plans, ({ precisions, gaps, limit }) => {
        const falling = [...precisions].sort((one, other) => other - one);
        let from = 0;
        const steps = falling.map((precision, index) => {
          if (index > 0) from += gaps[index - 1]!;
          return { precision, from };
        });
        const expected = falling.flatMap((precision, index) =>
          new Array(index === falling.length - 1 ? limit : gaps[index]!).fill(precision),
        );
        expect(decisions(createStaticScheduler({ steps }), 0, limit)).toEqual(expected.slice(0, limit));
      }),
    );
  });

  it("prefills at the first step's precision unless told otherwise", () => {
    const request = { promptTokens: 1, maximumNewTokens: 1, blocks: 1, available };
    const prefill = (scheduler: Scheduler) => scheduler.start(request).prefill;
    expect(prefill(createSchedulerFromText("4,3@0"))).toBe(4);
    expect(prefill(createSchedulerFromText("8:4,3@0"))).toBe(8);
    expect(prefill(createFixedScheduler({ precision: 3 }))).toBe(3);
    expect(prefill(createPhaseAwareScheduler({ prefill: 16, decode: 3 }))).toBe(16);
  });

  it("keeps its plan when the caller's object changes", () => {
    const steps = [
      { precision: 4, from: 0 },
      { precision: 3, from: 1 },
    ];
    const scheduler = createStaticScheduler({ steps });
    steps[1]!.from = 9;
    expect(decisions(scheduler, 0, 2)).toEqual([4, 3]);
  });

  it.each<[string, SchedulePlan]>([
    ["no steps", { steps: [] }],
    ["a first step that begins late", { steps: [{ precision: 4, from: 1 }] }],
    ["a precision of 9 bits", { steps: [{ precision: 9, from: 0 }] }],
    ["a broken precision", { steps: [{ precision: 3.5, from: 0 }] }],
    ["a prefill of no bits", { prefill: 0, steps: [{ precision: 4, from: 0 }] }],
    [
      "a rising precision",
      {
        steps: [
          { precision: 3, from: 0 },
          { precision: 4, from: 5 },
        ],
      },
    ],
    [
      "a negative switch point",
      {
        steps: [
          { precision: 4, from: 0 },
          { precision: 3, from: -1 },
        ],
      },
    ],
    [
      "a switch point that is no number",
      {
        steps: [
          { precision: 4, from: 0 },
          { precision: 3, from: Number.NaN },
        ],
      },
    ],
    [
      "a percentage above 100",
      {
        steps: [
          { precision: 4, from: 0 },
          { precision: 3, from: { percent: 101 } },
        ],
      },
    ],
  ])("refuses %s", (_, plan) => {
    expect(() => createStaticScheduler(plan)).toThrow(InvalidScheduleError);
  });

  it("names the precision the model lacks", () => {
    const start = () =>
      createSchedulerFromText("8:4,3@85").start({ promptTokens: 1, maximumNewTokens: 9, blocks: 1, available: [3, 4] });
    expect(start).toThrow("The static schedule needs precision 8; the model offers 3, 4.");
  });

  it("refuses precisions that are none in the other schedulers", () => {
    expect(() => createFixedScheduler({ precision: 0 })).toThrow(InvalidScheduleError);
    expect(() => createFixedScheduler({ precision: 4, prefill: 12 })).toThrow(InvalidScheduleError);
    expect(() => createPhaseAwareScheduler({ prefill: 4, decode: Number.NaN })).toThrow(InvalidScheduleError);
  });
});
