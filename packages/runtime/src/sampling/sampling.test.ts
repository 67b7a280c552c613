import { InvalidArgumentError, type SamplingOptions } from "@stepdown/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkSamplingOptions } from "./check-sampling-options.js";
import { createSampler } from "./create-sampler.js";
import { largestFirst } from "./largest-first.js";
import { computeLogitStatistics, logSumExp, topLogProbabilities } from "./log-probabilities.js";
import { createRandomGenerator } from "./random-generator.js";

const logitsArbitrary = fc.array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 200 });

/** How often each token is drawn by one sampler per draw, seeds 0, 1, 2 …, so that draws are independent. */
function frequencies(logits: readonly number[], options: SamplingOptions, draws: number): number[] {
  const counts = logits.map(() => 0);
  for (let seed = 0; seed < draws; seed++) {
    const id = createSampler({ ...options, seed }).sample(Float32Array.from(logits));
    counts[id] = (counts[id] as number) + 1;
  }
  return counts.map((count) => count / draws);
}

function softmax(logits: readonly number[]): number[] {
  const weights = logits.map((logit) => Math.exp(logit));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** Draws per distribution test; a frequency then has a standard deviation of at most 0.008. */
const DRAWS = 4000;

/** Four standard deviations. */
const FREQUENCY_TOLERANCE = 0.032;

describe("the greedy sampler", () => {
  it("takes the largest logit, and the lowest id among equals", () => {
    const sampler = createSampler();
    expect(sampler.sample(Float32Array.of(1, 3, 2))).toBe(1);
    expect(sampler.sample(Float32Array.of(0, 2, 2, 2))).toBe(1);
    fc.assert(
      fc.property(logitsArbitrary, (values) => {
        const logits = Float32Array.from(values);
        expect(createSampler().sample(logits)).toBe(logits.indexOf(Math.max(...logits)));
      }),
    );
  });

  it("leaves the logits as they were", () => {
    const logits = Float32Array.of(1, 2, 3);
    createSampler({ logitBias: new Map([[0, 9]]), repetitionPenalty: 2 }, { prompt: [2] }).sample(logits);
    expect([...logits]).toEqual([1, 2, 3]);
  });

  it("applies logit bias before penalties, and penalties to what was seen", () => {
    expect(createSampler({ logitBias: new Map([[0, 5]]) }).sample(Float32Array.of(0, 4))).toBe(0);
    // (1 + 5) / 2 = 3 < 4, whereas 1 / 2 + 5 = 5.5 would win.
    const options = { logitBias: new Map([[0, 5]]), repetitionPenalty: 2 };
    expect(createSampler(options, { prompt: [0] }).sample(Float32Array.of(1, 4))).toBe(1);
    // A negative logit moves away from zero: −1 · 2 < −1.5.
    expect(createSampler({ repetitionPenalty: 2 }, { prompt: [0] }).sample(Float32Array.of(-1, -1.5))).toBe(1);
  });

  it("counts presence once and frequency every time, for generated tokens only", () => {
    const logits = Float32Array.of(2, 0);
    const presence = createSampler({ presencePenalty: 1.5 }, { prompt: [0] });
    expect([1, 2, 3, 4].map(() => presence.sample(logits))).toEqual([0, 0, 0, 0]);
    const frequency = createSampler({ frequencyPenalty: 0.75 }, { prompt: [0] });
    expect([1, 2, 3, 4].map(() => frequency.sample(logits))).toEqual([0, 0, 0, 1]);
  });

  it("never takes a forbidden token", () => {
    const banned = new Map([[1, Number.NEGATIVE_INFINITY]]);
    expect(createSampler({ logitBias: banned }).sample(Float32Array.of(1, 9, 2))).toBe(2);
  });
});

describe("the sampler at a temperature", () => {
  const logits = [2, 1, 0.5, 0, -1, -3];

  it("draws with the softmax of logits over temperature", () => {
    for (const temperature of [0.5, 1, 2]) {
      const expected = softmax(logits.map((logit) => logit / temperature));
      frequencies(logits, { temperature }, DRAWS).forEach((frequency, id) => {
        expect(Math.abs(frequency - (expected[id] as number))).toBeLessThan(FREQUENCY_TOLERANCE);
      });
    }
  });

  it("draws from the k best only, in their proportions", () => {
    const expected = softmax(logits.slice(0, 3));
    const found = frequencies(logits, { temperature: 1, topK: 3 }, DRAWS);
    expect(found.slice(3)).toEqual([0, 0, 0]);
    expected.forEach((p, id) => {
      expect(Math.abs((found[id] as number) - p)).toBeLessThan(FREQUENCY_TOLERANCE);
    });
  });

  it("keeps exactly the smallest set that reaches top-p of what top-k left", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: -400, max: 400 }), { minLength: 2, maxLength: 12 }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        fc.integer({ min: 1, max: 12 }),
        (hundredths, topP, topK) => {
          const values = hundredths.map((value) => value / 100);
          const order = values.map((_, id) => id).sort((a, b) => (values[b] as number) - (values[a] as number));
          const left = order.slice(0, topK);
          const probabilities = softmax(left.map((id) => values[id] as number));
          let mass = 0;
          const kept = new Set<number>();
          for (const [rank, id] of left.entries()) {
            kept.add(id);
            mass += probabilities[rank] as number;
            // A mass within rounding of p may fall on either side.
            fc.pre(Math.abs(mass - topP) > 1e-6);
            if (mass >= topP) break;
          }
          for (let seed = 0; seed < 50; seed++) {
            const sampler = createSampler({ temperature: 1, topP, topK, seed });
            expect(kept).toContain(sampler.sample(Float32Array.from(values)));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("finds the top-p set beyond its first window of candidates", () => {
    const flat = new Float32Array(1000);
    const drawn = Array.from({ length: 400 }, (_, seed) =>
      createSampler({ temperature: 1, topP: 0.5, seed }).sample(flat),
    );
    // 500 equally likely tokens make half the mass; ties keep the lowest ids.
    expect(Math.max(...drawn)).toBeLessThan(500);
    expect(Math.max(...drawn)).toBeGreaterThan(400);
  });

  it("keeps tokens at least min-p times as likely as the best", () => {
    const found = frequencies([0, Math.log(0.5), Math.log(0.2)], { temperature: 1, minP: 0.4 }, 1000);
    expect(found[2]).toBe(0);
    expect(found[1]).toBeGreaterThan(0.25);
  });

  it("draws the same tokens for the same seed and others for another", () => {
    const draw = (seed: number): number[] => {
      const sampler = createSampler({ temperature: 1.5, seed });
      return Array.from({ length: 40 }, () => sampler.sample(Float32Array.from(logits)));
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it("never draws a token of probability zero", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), fc.nat(), (allowed, seed) => {
        fc.pre(allowed.includes(true));
        const values = Float32Array.from(allowed, (one) => (one ? 0 : Number.NEGATIVE_INFINITY));
        expect(allowed[createSampler({ temperature: 1, seed }).sample(values)]).toBe(true);
        expect(allowed[createSampler({ temperature: 1, topP: 0.9, topK: 15, seed }).sample(values)]).toBe(true);
      }),
    );
  });
});

describe("logits that are no distribution", () => {
  it.each([
    ["NaN", [0, Number.NaN]],
    ["nothing but −Infinity", [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]],
    ["+Infinity", [0, Number.POSITIVE_INFINITY]],
    ["nothing", []],
  ])("are refused: %s", (_, values) => {
    const logits = Float32Array.from(values);
    expect(() => createSampler().sample(logits)).toThrow(InvalidArgumentError);
    expect(() => createSampler({ temperature: 1 }).sample(logits)).toThrow(InvalidArgumentError);
    expect(() => logSumExp(logits)).toThrow(InvalidArgumentError);
  });

  it("are refused when a bias forbids every token or names none of the vocabulary", () => {
    const all = new Map([
      [0, Number.NEGATIVE_INFINITY],
      [1, Number.NEGATIVE_INFINITY],
    ]);
    expect(() => createSampler({ logitBias: all }).sample(Float32Array.of(1, 2))).toThrow(/logitBias/);
    expect(() => createSampler({ logitBias: new Map([[2, 1]]) }).sample(Float32Array.of(1, 2))).toThrow(/token 2/);
  });
});

describe("sampling options", () => {
  it.each<[keyof SamplingOptions, SamplingOptions]>([
    ["temperature", { temperature: -1 }],
    ["temperature", { temperature: Number.NaN }],
    ["topK", { topK: 0 }],
    ["topK", { topK: 1.5 }],
    ["topP", { topP: 0 }],
    ["topP", { topP: 1.01 }],
    ["minP", { minP: -0.1 }],
    ["repetitionPenalty", { repetitionPenalty: 0 }],
    ["presencePenalty", { presencePenalty: Number.POSITIVE_INFINITY }],
    ["frequencyPenalty", { frequencyPenalty: Number.NaN }],
    ["seed", { seed: -1 }],
    ["seed", { seed: 2 ** 32 }],
    ["logitBias", { logitBias: new Map([[-1, 0]]) }],
    ["logitBias", { logitBias: new Map([[0, Number.POSITIVE_INFINITY]]) }],
  ])("that cannot work are refused by name: %s", (name, options) => {
    expect(() => checkSamplingOptions(options)).toThrow(InvalidArgumentError);
    expect(() => checkSamplingOptions(options)).toThrow(name);
  });
});

describe("selection and log probabilities", () => {
  it("selects what a full sort would", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 60 }),
        fc.nat({ max: 70 }),
        (scores, count) => {
          const sorted = scores.map((_, id) => id).sort((a, b) => scores[b]! - scores[a]! || a - b);
          expect(largestFirst(scores, count)).toEqual(sorted.slice(0, count));
        },
      ),
    );
  });

  it("gives log probabilities that sum to one and survive large logits", () => {
    fc.assert(
      fc.property(logitsArbitrary, fc.constantFrom(0, 500, -500), (values, shift) => {
        const logits = Float32Array.from(values, (value) => value + shift);
        const top = topLogProbabilities(logits, logits.length);
        expect(top.reduce((sum, { logProbability }) => sum + Math.exp(logProbability), 0)).toBeCloseTo(1, 9);
      }),
    );
  });

  it("computes statistics of a distribution known in closed form", () => {
    const logits = Float32Array.of(Math.log(4), Math.log(2), Math.log(1), Math.log(1), Number.NEGATIVE_INFINITY);
    const { maximumProbability, margin, entropy } = computeLogitStatistics(logits);
    expect(maximumProbability).toBeCloseTo(0.5, 6);
    expect(margin).toBeCloseTo(0.25, 6);
    expect(entropy).toBeCloseTo(1.75 * Math.LN2, 6);
  });
});

describe("the random generator", () => {
  it("is uniform enough and never reaches 1", () => {
    const { next } = createRandomGenerator(3);
    const cells = new Array<number>(16).fill(0);
    for (let i = 0; i < 16_000; i++) {
      const value = next();
      expect(value).toBeLessThan(1);
      cells[Math.floor(value * 16)]! += 1;
    }
    const chiSquare = cells.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    // 15 degrees of freedom: above 37.7 in one of a thousand generators; the seed is fixed.
    expect(chiSquare).toBeLessThan(37.7);
  });
});
