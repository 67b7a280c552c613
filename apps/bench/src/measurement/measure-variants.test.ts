import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluateSamples } from "./evaluate-samples.js";
import type { Disturbance, LoadWatch } from "./load-watch.js";
import { type MeasureOptions, measureVariants, type Variant } from "./measure-variants.js";
import { roundOrder } from "./round-order.js";

/** A watch on a time that only the variants move on; `disturb` says which observations are disturbed, by their number. */
function createFakeTime(disturb: (observation: number) => Disturbance | undefined = () => undefined) {
  let now = 0;
  let observations = 0;
  const watch: LoadWatch = {
    async observe(action) {
      const start = now;
      await action();
      return { milliseconds: now - start, processorTime: now - start, disturbance: disturb(observations++) };
    },
  };
  const log: string[] = [];
  const variant = (name: string, milliseconds: number, more: Partial<Variant> = {}): Variant => ({
    name,
    run() {
      now += milliseconds;
      log.push(name);
    },
    ...more,
  });
  return { watch, log, variant };
}

const plain: MeasureOptions = { repetitions: 4, retries: 0, warmUp: 1, minimumMilliseconds: 0 };

describe("the order of a round", () => {
  it("has every variant once, and every variant at every place within a cycle", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 50 }), (variants, cycle) => {
        const all = Array.from({ length: variants }, (_, index) => index);
        const rounds = all.map((_, index) => roundOrder(variants, cycle * variants + index));
        for (const round of rounds) expect([...round].sort((a, b) => a - b)).toEqual(all);
        for (const place of all) expect(new Set(rounds.map((round) => round[place])).size).toBe(variants);
      }),
    );
  });

  it("turns round from cycle to cycle, so that neighbours change", () => {
    expect([0, 1, 2, 3].map((round) => roundOrder(3, round))).toEqual([
      [0, 1, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]);
  });
});

describe("measuring variants", () => {
  it("runs one repetition of each variant per round, after all have been warmed up", async () => {
    const { watch, log, variant } = createFakeTime();
    const variants = [variant("a", 100), variant("b", 200), variant("c", 300)];
    const result = await measureVariants(variants, watch, plain);
    expect(log.slice(0, 3)).toEqual(["a", "b", "c"]);
    const rounds = [0, 1, 2, 3].map((round) => log.slice(3 + 3 * round, 6 + 3 * round).join(""));
    expect(rounds).toEqual(["abc", "bca", "cab", "cba"]);
    expect(result.map(({ name, samples }) => [name, samples.map(({ milliseconds }) => milliseconds)])).toEqual([
      ["a", [100, 100, 100, 100]],
      ["b", [200, 200, 200, 200]],
      ["c", [300, 300, 300, 300]],
    ]);
  });

  it("fills a repetition with as many runs as the minimum time needs and reports the time of one", async () => {
    const { watch, variant } = createFakeTime();
    const variants = [variant("short", 3), variant("long", 500), variant("once", 3, { once: true })];
    const result = await measureVariants(variants, watch, { ...plain, minimumMilliseconds: 20 });
    expect(result.map(({ runsPerRepetition }) => runsPerRepetition)).toEqual([7, 1, 1]);
    expect(result[0]?.samples[0]?.milliseconds).toBeCloseTo(3, 9);
  });

  it("repeats disturbed repetitions until enough are quiet", async () => {
    // Observation 0 is the warm-up; every other one after it is disturbed.
    const { watch, variant } = createFakeTime((observation) => (observation % 2 === 1 ? "slow core" : undefined));
    const [result] = await measureVariants([variant("a", 100)], watch, { ...plain, retries: 3 });
    const quiet = result?.samples.filter(({ disturbance }) => disturbance === undefined);
    expect(quiet).toHaveLength(4);
    expect(result?.samples).toHaveLength(8);
  });

  it("gives up repeating at the limit", async () => {
    const { watch, variant } = createFakeTime(() => "descheduled");
    const [result] = await measureVariants([variant("a", 100)], watch, { ...plain, retries: 2 });
    expect(result?.samples).toHaveLength(12);
  });

  it("tidies up outside the timing", async () => {
    const { watch, variant } = createFakeTime();
    const slow = variant("tidying", 1000);
    const [result] = await measureVariants([variant("a", 100, { settle: slow.run })], watch, plain);
    expect(result?.samples.every(({ milliseconds }) => milliseconds === 100)).toBe(true);
  });

  it("stops between repetitions when it is told to", async () => {
    const { watch, log, variant } = createFakeTime();
    const stop = new AbortController();
    const stopping = variant("a", 100, { settle: () => stop.abort(new Error("enough")) });
    await expect(measureVariants([stopping], watch, { ...plain, signal: stop.signal })).rejects.toThrow("enough");
    expect(log).toEqual(["a"]);
  });
});

describe("evaluating samples", () => {
  const quiet = (milliseconds: number) => ({ milliseconds, processorTime: 2 * milliseconds });
  const disturbed = (milliseconds: number) => ({
    ...quiet(milliseconds),
    disturbance: "descheduled" as const,
  });

  it("leaves disturbed repetitions out when enough are quiet", () => {
    const samples = [quiet(1), disturbed(100), quiet(3), quiet(2)];
    expect(evaluateSamples({ samples }, 3)).toEqual({
      ...{ median: 2, lowerQuartile: 1.5, upperQuartile: 2.5, used: [1, 3, 2] },
      ...{ processorMedian: 4, disturbedShare: 0.25, reliable: true },
    });
  });

  it("uses all and says so when too few are quiet", () => {
    const samples = [quiet(1), disturbed(100), disturbed(90), disturbed(80)];
    const result = evaluateSamples({ samples }, 3);
    expect(result).toMatchObject({ used: [1, 100, 90, 80], disturbedShare: 0.75, reliable: false });
  });
});
