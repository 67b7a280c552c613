import { describe, expect, it } from "vitest";
import { PAPER_PROFILE, PHYSICAL_SIMPLE_PROFILE } from "./cost-profile.js";
import { flightLlmComparison } from "./flightllm-comparison.js";
import { NPU_L, NPU_S } from "./hardware-presets.js";
import { machineBalance } from "./machine-balance.js";
import { MOBILELLAMA_1_4B, VICUNA_7B } from "./model-shapes.js";
import { type FigureBar, paperFigure } from "./paper-figure.js";
import { priceForward } from "./price-forward.js";
import { ASSUMED_PROMPT_TOKENS, type FigureScheme, type FigureTask } from "./published-results.js";
import { bestDraftLength } from "./speculation.js";

/** A bar may deviate by 1 %; the picture was read to ±0.02 of bars from 2.4 on. */
const BAR_TOLERANCE = 0.01;
/** Labels have one decimal and some differ from their own bars by 0.05. */
const LABEL_TOLERANCE = 0.1;
/** Against another implementation of the physical equations, which rounds lengths and charges prefill's head differently. */
const PHYSICAL_TOLERANCE = 0.02;
/** FlightLLM's simulator has queues and instructions that are not modelled. */
const FLIGHTLLM_TOLERANCE = 0.01;

const figure = paperFigure();
const name = (bar: FigureBar): string => `${bar.task} ${bar.model} ${bar.scheme}`;
const find = (bars: readonly FigureBar[], task: FigureTask, model: string, scheme: FigureScheme): FigureBar =>
  bars.find((bar) => bar.task === task && bar.model.includes(model) && bar.scheme === scheme)!;
const rootMeanSquare = (bars: readonly FigureBar[]): number =>
  Math.sqrt(bars.reduce((sum, bar) => sum + bar.relativeError ** 2, 0) / bars.length);
const evidence = (bars: readonly FigureBar[]): FigureBar[] => bars.filter((bar) => bar.bitsSource !== "backed-out");

describe("the paper profile against PMPD's figure", () => {
  it("has 32 bars, of which 28 are evidence", () => {
    expect(figure).toHaveLength(32);
    expect(evidence(figure)).toHaveLength(28);
  });
  it.each(evidence(figure).map((bar) => [name(bar), bar] as const))("%s is within 1 %% of the bar", (_, bar) => {
    expect(Math.abs(bar.relativeError)).toBeLessThan(BAR_TOLERANCE);
  });
  it("reaches a root mean square error of 0.3 %", () => {
    expect(rootMeanSquare(evidence(figure))).toBeLessThan(0.003);
  });
  const labelled = figure.filter((bar) => bar.publishedSpeedup !== undefined);
  it("has 24 labels", () => {
    expect(labelled).toHaveLength(24);
  });
  it.each(labelled.map((bar) => [name(bar), bar] as const))("%s meets its printed speed-up within 0.1", (_, bar) => {
    expect(Math.abs(bar.speedup - bar.publishedSpeedup!)).toBeLessThan(LABEL_TOLERANCE);
  });
  it("explains by the cache why 3 bits are 4.89 times as fast, not 16/3", () => {
    expect(find(figure, "CNN/DM", "vicuna", "uniform").speedup).toBeCloseTo(4.89, 2);
    expect(find(figure, "CNN/DM", "MobileLLaMA", "uniform").speedup).toBeCloseTo(3.55, 2);
  });
  it("cannot be had with the head charged, binary gigabytes or prefill: the figure leaves them out", () => {
    const withHead = paperFigure({ profile: { ...PAPER_PROFILE, headBits: 16 } });
    expect(rootMeanSquare(evidence(withHead))).toBeGreaterThan(0.1);
    const binary = paperFigure({
      changeHardware: (machine) => ({ ...machine, bandwidthBytesPerSecond: 32 * 2 ** 30 }),
    });
    expect(rootMeanSquare(evidence(binary))).toBeGreaterThan(0.02);
    const withPrefill = paperFigure({ profile: { ...PAPER_PROFILE, prefill: true } });
    expect(rootMeanSquare(evidence(withPrefill))).toBeGreaterThan(0.01);
  });
  it("has the components of a step: weights, cache, compute", () => {
    const step = (model: typeof VICUNA_7B, bits: number, contextTokens: number) =>
      priceForward({ hardware: NPU_L, profile: PAPER_PROFILE, model, precision: bits, contextTokens });
    expect(step(VICUNA_7B, 16, 0).seconds * 1e3).toBeCloseTo(404.75, 2);
    expect(step(VICUNA_7B, 3, 0).seconds * 1e3).toBeCloseTo(75.89, 2);
    expect((step(VICUNA_7B, 3, 1050.5).seconds - step(VICUNA_7B, 3, 0).seconds) * 1e3).toBeCloseTo(8.61, 2);
    expect(step(MOBILELLAMA_1_4B, 4, 0).seconds * 1e3).toBeCloseTo(19.27, 2);
    expect(step(VICUNA_7B, 16, 0).computeSeconds * 1e3).toBeCloseTo(0.395, 3);
  });
});

describe("the physical profile without its small terms", () => {
  const bars = paperFigure({ profile: PHYSICAL_SIMPLE_PROFILE, promptTokens: ASSUMED_PROMPT_TOKENS });
  // Computed from the equations in docs/npu-model.md ("Profiles") by a second implementation.
  it.each([
    ["CNN/DM", "vicuna", 2.326, 9.582, [4.12, 4.83, 4.77]],
    ["CNN/DM", "MobileLLaMA", 11.23, 31.745, [2.83, 3.13, 3.22]],
    ["CNN/DM", "phi", 11.125, 29.846, [2.68, 2.8, undefined]],
    ["DialogSum", "vicuna", 2.399, 11.298, [4.71, 6.52, 5.07]],
    ["DialogSum", "MobileLLaMA", 12.11, 37.915, [3.13, 3.81, 3.64]],
    ["DialogSum", "phi", 11.992, 35.292, [2.94, 3.32, 3.19]],
    ["IWSLT", "vicuna", 2.408, 11.578, [4.81, undefined, undefined]],
    ["IWSLT", "MobileLLaMA", 12.194, 40.836, [3.35, 3.59, undefined]],
  ] as const)("%s %s: %d tokens/s in fp16, %d uniform", (task, model, fp16, uniform, speedups) => {
    const near = (value: number, wanted: number): void => {
      expect(Math.abs(value / wanted - 1)).toBeLessThan(PHYSICAL_TOLERANCE);
    };
    near(find(bars, task, model, "fp16").tokensPerSecond, fp16);
    near(find(bars, task, model, "uniform").tokensPerSecond, uniform);
    (["uniform", "static", "learned"] as const).forEach((scheme, index) => {
      const wanted = speedups[index];
      if (wanted !== undefined) near(find(bars, task, model, scheme).speedup, wanted);
    });
  });
});

describe("FlightLLM's simulator", () => {
  it.each(flightLlmComparison().map((row) => [row.quantity, row] as const))("%s is met within 1 %%", (_, row) => {
    expect(Math.abs(row.relativeError)).toBeLessThan(FLIGHTLLM_TOLERANCE);
  });
});

describe("what follows from the machine", () => {
  it("its balance: MACs per cycle that keep up with the weights, tokens per pass for free", () => {
    const needed = [2, 3, 4, 16].map((bits) => machineBalance(NPU_S, bits).macsPerCycleToKeepUp);
    expect(needed[0]).toBe(128);
    expect(needed[1]).toBeCloseTo(85.33, 2);
    expect(needed.slice(2)).toEqual([64, 16]);
    expect(machineBalance(NPU_S, 2).tokensPerWeightPass).toBe(32);
    expect(machineBalance(NPU_L, 2).tokensPerWeightPass).toBe(128);
  });

  // Target ← draft, cost ratio, then best speed-up and draft length at acceptance 0.8, 0.9, 0.95.
  type Best = readonly [speedup: number, length: number];
  it.each<readonly [number, number, number, Best, Best, Best]>([
    [3, 2, 0.7, [1.06, 1], [1.13, 2], [1.2, 3]],
    [4, 2, 0.54, [1.17, 2], [1.31, 3], [1.43, 5]],
    [8, 2, 0.28, [1.6, 3], [1.95, 5], [2.28, 8]],
    [8, 3, 0.4, [1.35, 2], [1.57, 4], [1.77, 6]],
    [16, 2, 0.14, [2.15, 5], [2.85, 8], [3.58, 13]],
    [16, 3, 0.2, [1.85, 4], [2.34, 6], [2.83, 10]],
    [16, 4, 0.27, [1.64, 3], [2.01, 5], [2.37, 9]],
  ])("speculation: %d bits drafted at %d", (target, draft, ratio, ...bests) => {
    bests.forEach(([speedup, length], index) => {
      const best = bestDraftLength({
        hardware: NPU_L,
        model: VICUNA_7B,
        profile: PAPER_PROFILE,
        draft,
        target,
        acceptance: [0.8, 0.9, 0.95][index]!,
        contextTokens: 1050,
      });
      expect(best.costRatio).toBeCloseTo(ratio, 2);
      expect(best.speedup).toBeCloseTo(speedup, 2);
      expect(best.idealSpeedup).toBeCloseTo(best.speedup, 6);
      expect(best.draftTokens).toBe(length);
    });
  });
});
