import * as nodeTest from "node:test";
import { InvalidScheduleError, type PrecisionDecision, type ScheduledSequence, type Scheduler } from "@stepdown/core";
import { describe, expect, it } from "vitest";
import { describeScheduler, type SchedulerSuiteOptions } from "./describe-scheduler.js";
import type { TestRunner } from "./test-runner.js";

// The runner's type is what node:test offers, too.
const nodeRunner: TestRunner = nodeTest;

/** Names of the suite's tests that fail for a scheduler. */
async function failures(createScheduler: () => Scheduler, options?: SchedulerSuiteOptions): Promise<string[]> {
  const tests: [string, () => void | Promise<void>][] = [];
  const runner: TestRunner = { describe: (_, body) => body(), it: (name, body) => tests.push([name, body]) };
  describeScheduler("candidate", createScheduler, runner, options);
  const failed: string[] = [];
  for (const [name, body] of tests) {
    try {
      await body();
    } catch {
      failed.push(name);
    }
  }
  return failed;
}

type Start = Scheduler["start"];

function scheduler(
  start: (...request: Parameters<Start>) => ScheduledSequence,
  more: Partial<Scheduler> = {},
): Scheduler {
  const precisions = [4, 3];
  return {
    specificationVersion: "v1",
    name: "candidate",
    precisions,
    start(request) {
      if (!precisions.every((precision) => request.available.includes(precision)))
        throw new InvalidScheduleError("a precision is missing");
      return start(request);
    },
    ...more,
  };
}

/** Steps down after ten passes, asks for everything and is right in all. */
const good = (): Scheduler =>
  scheduler(
    ({ blocks }) => {
      let switched = false;
      return {
        prefill: 4,
        observePrefill: async ({ lastBlock, logits }) => {
          if (lastBlock!.keys.length === 0 || logits!.entropy < 0) throw new Error("features are missing");
        },
        decide: async ({ index, logits, telemetry, lastBlock }) => {
          const keys = index === 0 ? (await lastBlock!()).keys : [];
          switched ||= index > 10 && logits!.entropy + telemetry!.stepMilliseconds + keys.length > 0;
          return switched ? 3 : new Array<number>(blocks).fill(4);
        },
      };
    },
    { features: { lastBlockKeyValues: true, logitStatistics: true, telemetry: true } },
  );

const constant = (decision: PrecisionDecision): ScheduledSequence => ({ prefill: 4, decide: () => decision });

describe("describeScheduler", () => {
  it("is content with a good scheduler", async () => {
    expect(nodeRunner.it).toBeTypeOf("function");
    expect(await failures(good, { nonIncreasing: true })).toEqual([]);
  });

  const shared = { calls: 0 };
  it.each<[string, () => Scheduler, RegExp]>([
    ["another version", () => ({ ...good(), specificationVersion: "v2" as "v1" }), /names its version/],
    ["precisions that are none", () => ({ ...good(), precisions: [4, 9] }), /names its version/],
    ["an undeclared decision", () => scheduler(() => constant(2)), /decides only on declared/],
    ["an undeclared prefill", () => scheduler(() => ({ ...constant(4), prefill: 8 })), /decides only on declared/],
    ["a list of the wrong length", () => scheduler(() => constant([4, 3])), /decides only on declared/],
    ["NaN", () => scheduler(() => constant(Number.NaN)), /decides only on declared/],
    [
      "state shared by all sequences",
      () => {
        let index = 0;
        return scheduler(() => ({ prefill: 4, decide: () => (index++ < 40 ? 4 : 3) }));
      },
      /keeps sequences apart/,
    ],
    [
      "decisions that depend on the time of day",
      () => scheduler(() => ({ prefill: 4, decide: () => (shared.calls++ % 3 === 0 ? 4 : 3) })),
      /same decisions for the same inputs/,
    ],
    [
      "reading what was not declared",
      () => scheduler(() => ({ prefill: 4, decide: ({ logits }) => ((logits?.entropy ?? 0) > 1 ? 3 : 4) })),
      /reads only features/,
    ],
    ["starting on a model that lacks a precision", () => ({ ...good(), start: () => constant(4) }), /refuses to start/],
    [
      "depending on precisions that others offer",
      () => scheduler(({ available }) => constant(available.length > 2 ? 3 : 4)),
      /model offers more precisions/,
    ],
    [
      "rising precision",
      () => scheduler(() => ({ prefill: 4, decide: ({ index }) => (index === 1 ? 3 : 4) })),
      /never raises/,
    ],
  ])("notices %s", async (_, createScheduler, test) => {
    const failed = await failures(createScheduler, { nonIncreasing: true });
    expect(failed.filter((name) => test.test(name))).toHaveLength(1);
  });
});
