import { InvalidArgumentError } from "@stepdown/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ModelShape } from "../model-shape.js";
import { modelShapes, SMOLLM2_1_7B, SMOLLM2_135M, SMOLLM2_360M, TINYLLAMA_1_1B } from "../model-shapes.js";
import { PUBLISHED_KERNEL_STEPS } from "../published-results.js";
import { type DecodeMeasurement, type MeasuredStorage, measuredHardware } from "./decode-measurement.js";
import { fitHardware, predictMilliseconds } from "./fit-hardware.js";

const codec = { codec: "bcq", groupSize: 64 } as const;
const storage: MeasuredStorage = { codec, headBits: 16, keyValueBits: 32 };
const options = { codec, headBits: 16, keyValueBits: 32 } as const;

interface Rates {
  readonly bandwidthBytesPerSecond: number;
  readonly planeWeightsPerSecond: number;
  readonly denseMacsPerSecond: number;
  readonly stepOverheadSeconds: number;
}

const models: readonly ModelShape[] = [SMOLLM2_135M, SMOLLM2_360M, SMOLLM2_1_7B, TINYLLAMA_1_1B];
const rates: Rates = {
  bandwidthBytesPerSecond: 20e9,
  planeWeightsPerSecond: 100e9,
  denseMacsPerSecond: 25e9,
  stepOverheadSeconds: 0.3e-3,
};

/** Times of a made-up machine; `noise(i)` multiplies the i-th. */
function measure(machine: Rates, noise: (index: number) => number = () => 1): DecodeMeasurement[] {
  const hardware = measuredHardware("truth", storage, {
    overhead: machine.stepOverheadSeconds,
    perByte: 1 / machine.bandwidthBytesPerSecond,
    perPlaneWeight: 1 / machine.planeWeightsPerSecond,
    perDenseMac: 1 / machine.denseMacsPerSecond,
  });
  const steps = models.flatMap((model) =>
    [2, 3, 4, 6, 8].flatMap((precision) => [0, 1500].map((contextTokens) => ({ model, precision, contextTokens }))),
  );
  return steps.map((step, index) => ({
    ...step,
    milliseconds: predictMilliseconds({ hardware, codec }, step) * noise(index),
  }));
}

describe("a machine fitted to exact times", () => {
  it("has the rates the times were made with, and predicts what was held out", () => {
    const all = measure(rates);
    const fit = fitHardware(
      all.filter((_, index) => index % 3 !== 0),
      options,
    );
    expect(fit.bandwidth.perSecond / rates.bandwidthBytesPerSecond).toBeCloseTo(1, 6);
    expect(fit.lookUps.perSecond / rates.planeWeightsPerSecond).toBeCloseTo(1, 6);
    expect(fit.attention.perSecond / rates.denseMacsPerSecond).toBeCloseTo(1, 6);
    expect(fit.overheadSeconds).toBeCloseTo(rates.stepOverheadSeconds, 9);
    expect([fit.bandwidth, fit.lookUps, fit.attention].map(({ evidence }) => evidence)).toEqual(
      Array(3).fill("fitted"),
    );
    for (const held of all.filter((_, index) => index % 3 === 0))
      expect(predictMilliseconds(fit, held) / held.milliseconds).toBeCloseTo(1, 6);
  });

  it("says when one of the rates never showed", () => {
    const fast = fitHardware(measure({ ...rates, planeWeightsPerSecond: 1e15 }), options);
    expect(fast.bandwidth.evidence).toBe("fitted");
    expect(fast.bandwidth.perSecond / 20e9).toBeCloseTo(1, 6);
    expect(fast.lookUps.evidence).toBe("at-least");
    expect(fast.notes.join(" ")).toMatch(/No measurement is limited by look-ups/);
    const float = fitHardware(
      [SMOLLM2_135M, SMOLLM2_360M, SMOLLM2_1_7B].map((model, index) => ({
        model,
        precision: 16,
        milliseconds: [14, 37, 173][index]!,
      })),
    );
    expect(float.lookUps.evidence).toBe("none");
    expect(float.notes.join(" ")).toMatch(/reads bit planes/);
  });
});

describe("a machine fitted to noisy times", () => {
  it("stays within twice the noise on what was held out, whatever the machine", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 2e9, max: 200e9, noNaN: true }),
        fc.double({ min: 2, max: 12, noNaN: true }),
        fc.double({ min: 0.1, max: 4, noNaN: true }),
        fc.double({ min: 0, max: 1e-3, noNaN: true }),
        fc.array(fc.double({ min: 0.95, max: 1.05, noNaN: true }), { minLength: 40, maxLength: 40 }),
        (bandwidthBytesPerSecond, lookUpsPerByte, bytesPerMac, stepOverheadSeconds, noise) => {
          const machine = {
            bandwidthBytesPerSecond,
            planeWeightsPerSecond: bandwidthBytesPerSecond * lookUpsPerByte,
            denseMacsPerSecond: bandwidthBytesPerSecond / bytesPerMac,
            stepOverheadSeconds,
          };
          const exact = measure(machine);
          const noisy = measure(machine, (index) => noise[index]!);
          const fit = fitHardware(
            noisy.filter((_, index) => index % 3 !== 0),
            options,
          );
          exact.forEach((step, index) => {
            if (index % 3 === 0)
              expect(Math.abs(predictMilliseconds(fit, step) / step.milliseconds - 1)).toBeLessThan(0.1);
          });
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("this project's own kernel measurements", () => {
  const { steps } = PUBLISHED_KERNEL_STEPS;
  const all: DecodeMeasurement[] = steps.map(({ model, bits, milliseconds }) => ({
    model: modelShapes.get(model)!,
    precision: bits,
    milliseconds,
  }));
  const kernels = { codec: PUBLISHED_KERNEL_STEPS.codec, headBits: "body" } as const;
  const errors = (known: (step: DecodeMeasurement) => boolean): number[] => {
    const fit = fitHardware(all.filter(known), kernels);
    return all.filter((step) => !known(step)).map((step) => predictMilliseconds(fit, step) / step.milliseconds - 1);
  };
  const worst = (values: readonly number[]): number => Math.max(...values.map(Math.abs));

  it("at 2, 4 and 8 bits predict 3 and 6 bits of both models within 11 %", () => {
    const held = errors((step) => [2, 4, 8].includes(step.precision as number));
    expect(held).toHaveLength(4);
    expect(worst(held)).toBeLessThan(0.11);
  });
  it("of the small model predict the one eight times as large within 13 %", () => {
    const held = errors((step) => step.model === SMOLLM2_135M);
    expect(held).toHaveLength(5);
    expect(worst(held)).toBeLessThan(0.13);
  });
  it("of the large model do not predict the small one, and the fit says so", () => {
    expect(worst(errors((step) => step.model === TINYLLAMA_1_1B))).toBeGreaterThan(0.5);
    const fit = fitHardware(
      all.filter((step) => step.model === TINYLLAMA_1_1B),
      kernels,
    );
    expect(fit.notes.join(" ")).toMatch(/All measurements are of one model/);
  });
  it("cannot tell memory from look-ups, and the fit says so", () => {
    expect(fitHardware(all, kernels).notes.join(" ")).toMatch(/equally well/);
  });
});

/**
 * This project's runtime on a 2-core AMD EPYC machine, one thread, Node 20, binary-coded weights (`stepdown bench decode
 * --shape 135m|1.1b --codec bcq --context N`, docs/npu-model.md).
 */
const RUNTIME_STEPS = [
  {
    model: SMOLLM2_135M,
    contextTokens: 128,
    milliseconds: { 2: 8.11, 3: 9.35, 4: 10.57, 5: 12.11, 6: 13.57, 7: 15.29, 8: 16.76 },
  },
  { model: SMOLLM2_135M, contextTokens: 512, milliseconds: { 2: 10.79, 4: 13.34, 6: 16.4, 8: 19.65 } },
  {
    model: TINYLLAMA_1_1B,
    contextTokens: 128,
    milliseconds: { 2: 35.37, 3: 46.0, 4: 58.47, 5: 70.45, 6: 80.13, 7: 94.15, 8: 119.06 },
  },
  { model: TINYLLAMA_1_1B, contextTokens: 512, milliseconds: { 2: 39.38, 4: 62.58, 6: 85.03, 8: 116.34 } },
] as const;

describe("this project's runtime", () => {
  const all = RUNTIME_STEPS.flatMap(({ model, contextTokens, milliseconds }) =>
    Object.entries(milliseconds).map(
      ([bits, value]): DecodeMeasurement => ({ model, contextTokens, precision: Number(bits), milliseconds: value }),
    ),
  );
  const runtime = { codec: { codec: "bcq", groupSize: 64, scaleBits: 8 }, headBits: 8, keyValueBits: 32 } as const;
  const errors = (known: (step: DecodeMeasurement) => boolean): number[] => {
    const fit = fitHardware(all.filter(known), runtime);
    return all.map((step) => Math.abs(predictMilliseconds(fit, step) / step.milliseconds - 1));
  };

  it("is described within 15 % at 2 to 8 bits, two models and two contexts", () => {
    expect(Math.max(...errors(() => true))).toBeLessThan(0.15);
  });
  it("is predicted within 15 % at precisions that were held out", () => {
    for (const held of [3, 4, 6]) expect(Math.max(...errors((step) => step.precision !== held))).toBeLessThan(0.15);
    expect(Math.max(...errors((step) => [2, 8].includes(step.precision as number)))).toBeLessThan(0.15);
  });
});

describe("measurements that cannot be fitted", () => {
  const refused = (measurements: unknown, message: RegExp): void => {
    expect(() => fitHardware(measurements as DecodeMeasurement[], options)).toThrow(InvalidArgumentError);
    expect(() => fitHardware(measurements as DecodeMeasurement[], options)).toThrow(message);
  };
  const step = { model: SMOLLM2_135M, precision: 4 };
  it("are too few, all alike, or not measurements", () => {
    refused([], /measurements has 0 entries; allowed: 3 to/);
    refused(measure(rates).slice(0, 2), /measurements has 2 entries/);
    refused(
      [1, 2, 3].map(() => ({ ...step, milliseconds: 4 })),
      /move the same number of bytes/,
    );
    refused(
      [2, 3, 4].map((precision) => ({ ...step, precision, milliseconds: 0 })),
      /measurements\[0\]\.milliseconds is 0/,
    );
    refused(
      [2, 3, 4.5].map((precision) => ({ ...step, precision, milliseconds: 3 })),
      /precision is 4\.5/,
    );
    refused("fast", /measurements is "fast"/);
  });
  it("contradict each other", () => {
    refused(
      [2, 4, 8].map((precision) => ({ ...step, precision, milliseconds: 16 / precision })),
      /time does not grow/,
    );
    const wrong = measure(rates).map((entry, index) =>
      index === 5 ? { ...entry, milliseconds: 4 * entry.milliseconds } : entry,
    );
    refused(
      wrong,
      /contradict each other: the best machine misses HuggingFaceTB\/SmolLM2-135M at 4 bits, 1500 cached tokens/,
    );
  });
});
