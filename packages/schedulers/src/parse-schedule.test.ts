import { InvalidScheduleError } from "@stepdown/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatSchedule } from "./format-schedule.js";
import { parseSchedule } from "./parse-schedule.js";
import type { SchedulePlan } from "./schedule-plan.js";

describe("parseSchedule", () => {
  it.each<[string, SchedulePlan]>([
    ["4", { steps: [{ precision: 4, from: 0 }] }],
    ["16", { steps: [{ precision: 16, from: 0 }] }],
    [
      "4,3@85",
      {
        steps: [
          { precision: 4, from: 0 },
          { precision: 3, from: 85 },
        ],
      },
    ],
    [
      "4,3@0",
      {
        steps: [
          { precision: 4, from: 0 },
          { precision: 3, from: 0 },
        ],
      },
    ],
    [
      "4,3@50%",
      {
        steps: [
          { precision: 4, from: 0 },
          { precision: 3, from: { percent: 50 } },
        ],
      },
    ],
    [
      "4,3@12.5%",
      {
        steps: [
          { precision: 4, from: 0 },
          { precision: 3, from: { percent: 12.5 } },
        ],
      },
    ],
    [
      "8:4,3@85",
      {
        prefill: 8,
        steps: [
          { precision: 4, from: 0 },
          { precision: 3, from: 85 },
        ],
      },
    ],
    ["3:4", { prefill: 3, steps: [{ precision: 4, from: 0 }] }],
    [
      " 8 : 4 , 3 @ 40 , 2 @ 80 % ",
      {
        prefill: 8,
        steps: [
          { precision: 4, from: 0 },
          { precision: 3, from: 40 },
          { precision: 2, from: { percent: 80 } },
        ],
      },
    ],
  ])("reads %j", (text, plan) => {
    expect(parseSchedule(text)).toEqual(plan);
  });

  it("turns percentages into passes when it is given the limit", () => {
    const { steps } = parseSchedule("4,3@40%,2@80%", { maximumNewTokens: 33 });
    expect(steps.map(({ from }) => from)).toEqual([0, 13, 26]);
  });

  it("rounds shares down, but never a whole one", () => {
    const wrong: string[] = [];
    for (let hundredths = 0; hundredths <= 10000; hundredths += 5)
      for (const maximumNewTokens of [1, 33, 100, 256, 2000]) {
        const { steps } = parseSchedule(`4,3@${hundredths / 100}%`, { maximumNewTokens });
        const exact = Math.floor((hundredths * maximumNewTokens) / 10000);
        if (steps[1]!.from !== exact) wrong.push(`${hundredths / 100}% of ${maximumNewTokens}`);
      }
    expect(wrong).toEqual([]);
  });

  it.each([
    ["", ">><<", "a precision is missing here"],
    ["four", ">>four<<", "this is not a precision"],
    ["9", ">>9<<", "a precision is 1 to 8, 16 or 32 bits, not 9"],
    ["0", ">>0<<", "not 0"],
    ["-4", ">>-4<<", "this is not a precision"],
    ["4.5", ">>4.5<<", "this is not a precision"],
    ["12:4", ">>12<<:4", "a precision is 1 to 8, 16 or 32 bits, not 12"],
    [":4", ">><<:4", "a precision is missing here"],
    ["8:4:3", "8:4:>>3<<", "one colon at most"],
    ["4,3", "4,>>3<<", "needs the point it begins at"],
    ["4,3@", "4,3@>><<", "is missing here"],
    ["4,@85", "4,>><<@85", "a precision is missing here"],
    ["4,3@85@90", "4,3@85@>>90<<", "one point only"],
    ["4@85", ">>4@85<<", "this is not a precision"],
    ["3,4@85", "3,>>4<<@85", "precision must fall from step to step, but 4 comes after 3"],
    ["4,4@85", "4,>>4<<@85", "precision must fall"],
    ["4,3@80,2@40", "4,3@80,2@>>40<<", "switch points must rise"],
    ["4,3@80,2@80", "4,3@80,2@>>80<<", "switch points must rise"],
    ["4,3@0,2@0", "4,3@0,2@>>0<<", "switch points must rise"],
    ["4\n,x@1", "4?,>>x<<@1", "this is not a precision"],
    ["4,3@80%,2@40%", "4,3@80%,2@>>40%<<", "switch points must rise"],
    ["4,3@101%", "4,3@>>101%<<", "between 0 and 100"],
    ["4,3@-5%", "4,3@>>-5%<<", "a percentage is a number from 0 to 100"],
    ["4,3@-5", "4,3@>>-5<<", "this is not a number of decode steps"],
    ["4,3@1e3", "4,3@>>1e3<<", "this is not a number of decode steps"],
    ["4,3@9999999999", "4,3@>>9999999999<<", "a switch point is a whole number from 0 to 2147483647"],
    ["4,3@99999999999999999999", "4,3@>>99999999999999999999<<", "this is not a number of decode steps"],
    ["4,,3@5", "4,>><<,3@5", "is missing here|needs the point"],
    ["4,3@5,", "4,3@5,>><<", "is missing here|needs the point"],
  ])("refuses %j and marks where", (text, marked, message) => {
    const parse = () => parseSchedule(text);
    expect(parse).toThrow(InvalidScheduleError);
    expect(parse).toThrow(`"${marked}"`);
    expect(parse).toThrow(new RegExp(message));
  });

  it("refuses texts of absurd length without repeating them", () => {
    expect(() => parseSchedule(`4${",3@1".repeat(1000)}`)).toThrow(/at most 300 characters/);
  });

  it("either reads a text or refuses it as a schedule, whatever it is", () => {
    const alphabet = fc.constantFrom(..."0123456789:,@%. -x");
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 14 }), (text) => {
        try {
          expect(parseSchedule(text).steps[0]!.from).toBe(0);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidScheduleError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("reads back what formatSchedule writes", () => {
    const points = fc.uniqueArray(fc.integer({ min: 0, max: 1000 }), { minLength: 3, maxLength: 3 });
    const precisions = fc.uniqueArray(fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 16, 32), { minLength: 1, maxLength: 4 });
    const prefills = fc.option(fc.constantFrom(8, 16, 32), { nil: undefined });
    fc.assert(
      fc.property(points, precisions, prefills, fc.boolean(), (numbers, chosen, prefill, inPercent) => {
        const rising = [...numbers].sort((one, other) => one - other);
        const falling = [...chosen].sort((one, other) => other - one);
        const steps = falling.map((precision, index) => {
          const point = rising[index - 1]!;
          return { precision, from: index === 0 ? 0 : inPercent ? { percent: point / 10 } : point };
        });
        const plan = prefill === undefined ? { steps } : { prefill, steps };
        expect(parseSchedule(formatSchedule(plan))).toEqual(plan);
      }),
    );
  });
});
