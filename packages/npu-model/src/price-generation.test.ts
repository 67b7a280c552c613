import type { PrecisionTrace } from "@stepdown/core";
import { describe, expect, it } from "vitest";
import { PAPER_PROFILE } from "./cost-profile.js";
import { NPU_S } from "./hardware-presets.js";
import { PHI_1_5, SMOLLM2_135M } from "./model-shapes.js";
import { priceForward } from "./price-forward.js";
import { priceGeneration } from "./price-generation.js";
import { scheduledTrace, uniformTrace } from "./traces.js";

const common = { hardware: NPU_S, model: SMOLLM2_135M };

describe("a generation", () => {
  const trace = scheduledTrace({ promptTokens: 20, newTokens: 9 }, (index) => (index < 3 ? 4 : 3), 4);
  const cost = priceGeneration({ ...common, trace });

  it("is prefill and its steps, each at its precision and context", () => {
    const prefill = priceForward({ ...common, precision: 4, phase: "prefill", tokens: 20 });
    const steps = trace.decode.map((precision, index) =>
      priceForward({ ...common, precision, contextTokens: 20 + index }),
    );
    expect(trace.decode).toEqual([4, 4, 4, 3, 3, 3, 3, 3]);
    expect(cost.timeToFirstTokenSeconds).toBe(prefill.seconds);
    expect(cost.steps.map((step) => step.seconds)).toEqual(steps.map((step) => step.seconds));
    expect(cost.steps.map((step) => step.contextTokens)).toEqual([20, 21, 22, 23, 24, 25, 26, 27]);
    expect(cost.decodeSeconds).toBeCloseTo(
      steps.reduce((sum, step) => sum + step.seconds, 0),
      12,
    );
    expect(cost.bytes).toBeCloseTo(
      steps.reduce((sum, step) => sum + step.bytes, prefill.bytes),
      3,
    );
    expect(cost.tokensPerSecond).toBeCloseTo(9 / cost.seconds, 9);
    expect(cost.decodeTokensPerSecond).toBeCloseTo(8 / cost.decodeSeconds, 9);
    expect(cost.averageBits).toBe(27 / 8);
  });

  it("accounts for all decode time by operator", () => {
    expect(cost.operators.reduce((sum, operator) => sum + operator.seconds, 0)).toBeCloseTo(cost.decodeSeconds, 12);
    expect(cost.operators.map((operator) => operator.name)).toContain("overhead");
  });

  it("takes a trace that a real generation recorded, with a precision per block", () => {
    const recorded: PrecisionTrace = {
      promptTokens: 5,
      prefill: 8,
      decode: [4, Array.from({ length: SMOLLM2_135M.blocks }, (_, block) => (block < 15 ? 4 : 2))],
    };
    const priced = priceGeneration({ ...common, trace: recorded });
    expect(priced.newTokens).toBe(3);
    expect(priced.averageBits).toBe(3.5);
    expect(priced.steps[1]!.bytes).toBeLessThan(priced.steps[0]!.bytes);
  });

  it("gives every sequence of a batch its tokens", () => {
    const four = priceGeneration({ ...common, trace, batch: 4 });
    expect(four.tokensPerSecond).toBeGreaterThan(3 * cost.tokensPerSecond);
    expect(four.joulesPerToken).toBeLessThan(cost.joulesPerToken);
  });
});

describe("the paper profile's count of passes", () => {
  it("is S − 1 for one precision and S − 2 for a mixture, without prefill", () => {
    const request = { hardware: NPU_S, model: PHI_1_5, profile: PAPER_PROFILE };
    const workload = { promptTokens: 1000, newTokens: 239 };
    const uniform = priceGeneration({ ...request, trace: uniformTrace(workload, 4) });
    const mixed = priceGeneration({ ...request, trace: scheduledTrace(workload, (i) => (i < 170 ? 4 : 3), 4) });
    expect([uniform.decodePasses, mixed.decodePasses]).toEqual([238, 237]);
    expect(uniform.prefill).toBeUndefined();
    expect(uniform.tokensPerSecond).toBeCloseTo(45, 1);
    // 170 of 238 passes at 4 bits: the average of 3.71 that is published for this bar.
    expect(mixed.averageBits).toBeCloseTo(3.714, 3);
    expect(mixed.tokensPerSecond).toBeCloseTo(48.1, 1);
  });
});
