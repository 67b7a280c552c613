import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CodecDescription } from "./codec-traffic.js";
import { type CostProfile, costProfiles, PAPER_PROFILE, PHYSICAL_PROFILE } from "./cost-profile.js";
import { createHardware } from "./create-hardware.js";
import { createModelShape } from "./create-model-shape.js";
import type { HardwareDescription } from "./hardware-description.js";
import { NPU_L } from "./hardware-presets.js";
import type { ModelShape } from "./model-shape.js";
import { modelShapes, VICUNA_7B } from "./model-shapes.js";
import { tileBytes } from "./operator-cost.js";
import { countParameters } from "./parameter-counts.js";
import { priceForward } from "./price-forward.js";
import { priceGeneration } from "./price-generation.js";
import { uniformTrace } from "./traces.js";

/** Sums of floating-point numbers in another order. */
const ROUNDING = 1 + 1e-9;

const profiles: CostProfile[] = [
  ...costProfiles.values(),
  { ...PHYSICAL_PROFILE, name: "physical with perfect prefetch", overlap: "perfect" },
];

const anyHardware: fc.Arbitrary<HardwareDescription> = fc
  .record({
    bandwidthBytesPerSecond: fc.double({ min: 1e8, max: 1e13, noNaN: true }),
    macsPerCycle: fc.double({ min: 1, max: 1e6, noNaN: true }),
    weightBufferBytes: fc.integer({ min: 1024, max: 2 ** 24 }),
    activationBufferBytes: fc.integer({ min: 1024, max: 2 ** 24 }),
    specialFunctionLanes: fc.integer({ min: 1, max: 1024 }),
    headBits: fc.constantFrom(0, 4, 8, 16, "body" as const),
    keyValueBits: fc.constantFrom(4, 8, 16, 32),
    activationBits: fc.constantFrom(8, 16),
    memoryLatencySeconds: fc.constantFrom(0, 1e-7),
  })
  .map(({ macsPerCycle, ...rest }) =>
    createHardware({ name: "any", compute: { kind: "macs", macsPerCycle }, ...rest }),
  );

const anyModel: fc.Arbitrary<ModelShape> = fc
  .record({
    blocks: fc.integer({ min: 1, max: 6 }),
    keyValueHeads: fc.integer({ min: 1, max: 4 }),
    group: fc.integer({ min: 1, max: 4 }),
    headDimension: fc.constantFrom(16, 64),
    feedForwardSize: fc.integer({ min: 1, max: 8 }),
    gated: fc.boolean(),
    slidingWindow: fc.option(
      fc.record({ tokens: fc.integer({ min: 1, max: 64 }), fromBlock: fc.integer({ min: 0, max: 6 }) }),
      { nil: undefined },
    ),
  })
  .map(({ group, feedForwardSize, slidingWindow, ...sizes }) =>
    createModelShape({
      name: "any",
      ...sizes,
      ...(slidingWindow === undefined ? {} : { slidingWindow }),
      heads: sizes.keyValueHeads * group,
      hiddenSize: sizes.keyValueHeads * group * sizes.headDimension,
      feedForwardSize: feedForwardSize * 128,
      vocabularySize: 1000,
    }),
  );

const anyCodec: fc.Arbitrary<CodecDescription> = fc.constantFrom<CodecDescription>(
  { codec: "plain" },
  { codec: "codebook" },
  { codec: "uniform" },
  { codec: "bcq", groupSize: 16 },
  { codec: "bcq", groupSize: 16, scaleBits: 16, offsets: true },
);

const anyGeneration = fc.record({
  hardware: anyHardware,
  model: anyModel,
  codec: anyCodec,
  profile: fc.constantFrom(...profiles),
  batch: fc.integer({ min: 1, max: 8 }),
  bits: fc.integer({ min: 1, max: 8 }),
  promptTokens: fc.integer({ min: 1, max: 300 }),
  newTokens: fc.integer({ min: 3, max: 12 }),
});

type Generation = typeof anyGeneration extends fc.Arbitrary<infer Value> ? Value : never;

const seconds = ({ bits, promptTokens, newTokens, ...request }: Generation): number =>
  priceGeneration({ ...request, trace: uniformTrace({ promptTokens, newTokens }, bits) }).seconds;

const macsOf = (hardware: HardwareDescription): number =>
  hardware.compute.kind === "macs" ? hardware.compute.macsPerCycle : Number.NaN;

describe("monotonicity, for any machine, model, codec and profile", () => {
  const factor = fc.double({ min: 1, max: 10, noNaN: true });
  const slower = (change: (generation: Generation, factor: number) => Generation): void => {
    fc.assert(
      fc.property(anyGeneration, factor, (generation, times) => {
        expect(seconds(change(generation, times))).toBeGreaterThanOrEqual(seconds(generation) / ROUNDING);
      }),
      { numRuns: 150 },
    );
  };
  it("less bandwidth never makes a generation faster", () => {
    slower((generation, times) => ({
      ...generation,
      hardware: {
        ...generation.hardware,
        bandwidthBytesPerSecond: generation.hardware.bandwidthBytesPerSecond / times,
      },
    }));
  });
  it("fewer MACs never make a generation faster", () => {
    slower((generation, times) => ({
      ...generation,
      hardware: {
        ...generation.hardware,
        compute: { kind: "macs", macsPerCycle: macsOf(generation.hardware) / times },
      },
    }));
  });
  it("more bits never make a generation faster", () => {
    slower((generation, times) => ({ ...generation, bits: Math.min(8, Math.floor(generation.bits * times)) }));
  });
  it("a longer prompt never makes a generation faster", () => {
    slower((generation, times) => ({ ...generation, promptTokens: Math.floor(generation.promptTokens * times) }));
  });
  it("a longer answer never makes a generation faster", () => {
    slower((generation, times) => ({ ...generation, newTokens: Math.floor(generation.newTokens * times) }));
  });
  it("a larger activation buffer never makes a prompt slower", () => {
    slower((generation, times) => ({
      ...generation,
      hardware: { ...generation.hardware, activationBufferBytes: generation.hardware.activationBufferBytes / times },
    }));
  });
});

describe("conservation, for any machine, model, codec and profile", () => {
  it("the parts of a pass add up to it, and no pass beats its memory or its compute", () => {
    fc.assert(
      fc.property(
        anyGeneration,
        fc.constantFrom("prefill" as const, "decode" as const),
        ({ bits, promptTokens, newTokens: _, ...request }, phase) => {
          const cost = priceForward({
            ...request,
            phase,
            precision: bits,
            tokens: phase === "prefill" ? promptTokens : 1,
            contextTokens: phase === "prefill" ? 0 : promptTokens,
          });
          const parts = cost.operators.reduce((sum, operator) => sum + operator.seconds, cost.overheadSeconds);
          expect(parts).toBeCloseTo(cost.seconds, 12);
          expect(cost.seconds * ROUNDING).toBeGreaterThanOrEqual(cost.memorySeconds);
          expect(cost.seconds * ROUNDING).toBeGreaterThanOrEqual(cost.computeSeconds);
          expect(cost.bandwidthUtilization).toBeLessThanOrEqual(ROUNDING);
          expect(cost.bytes).toBeCloseTo(
            Object.values(cost.traffic).reduce((sum, value) => sum + value, 0),
            6,
          );
          expect(Number.isFinite(cost.seconds) && cost.seconds > 0).toBe(true);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("equal bits for every block cost what one number for all costs", () => {
    fc.assert(
      fc.property(anyGeneration, ({ bits, promptTokens, newTokens: _, ...request }) => {
        const one = priceForward({ ...request, precision: bits, contextTokens: promptTokens });
        const each = priceForward({
          ...request,
          precision: Array.from({ length: request.model.blocks }, () => bits),
          contextTokens: promptTokens,
        });
        expect(each.seconds).toBe(one.seconds);
        expect(each.traffic).toEqual(one.traffic);
      }),
      { numRuns: 50 },
    );
  });
});

describe("limits", () => {
  const models = [...modelShapes.values()];
  it.each(models.map((model) => [model.name, model] as const))(
    "%s: b = 16 without context is 2·W ÷ bandwidth",
    (_, model) => {
      const cost = priceForward({ hardware: NPU_L, profile: PAPER_PROFILE, model, precision: 16 });
      expect(cost.seconds * 32e9).toBeCloseTo(2 * countParameters(model).nestedLinearWeights, 3);
    },
  );
  it("the paper profile is the closed formula (W·b/8 + KV·c) ÷ bandwidth", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...models.filter((model) => model.slidingWindow === undefined)),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 4000 }),
        (model, bits, contextTokens) => {
          const { nestedLinearWeights, keyValueCacheValuesPerToken } = countParameters(model);
          const formula = (nestedLinearWeights * bits) / 8 + keyValueCacheValuesPerToken * contextTokens;
          const cost = priceForward({ hardware: NPU_L, profile: PAPER_PROFILE, model, precision: bits, contextTokens });
          expect((cost.seconds * 32e9) / formula).toBeCloseTo(1, 10);
        },
      ),
    );
  });
  it.each(profiles.map((profile) => [profile.name, profile] as const))(
    "profile %s: with unlimited compute only memory is left, with unlimited bandwidth only compute",
    (_, profile) => {
      const free = { memoryLatencySeconds: 0, specialFunctionLanes: Number.POSITIVE_INFINITY };
      const request = { model: VICUNA_7B, profile, precision: 3, contextTokens: 700 };
      const fast = priceForward({
        ...request,
        hardware: { ...NPU_L, ...free, compute: { kind: "macs", macsPerCycle: Number.POSITIVE_INFINITY } },
      });
      // What remains beside memory is the first tile, where the profile shows it.
      const tile = profile.pipelineFill && profile.overlap === "perfect" ? tileBytes(NPU_L) / 32e9 : 0;
      expect(fast.seconds / (fast.memorySeconds + tile)).toBeCloseTo(1, 10);
      expect(fast.limit).toBe("memory");
      const wide = priceForward({
        ...request,
        hardware: { ...NPU_L, ...free, bandwidthBytesPerSecond: Number.POSITIVE_INFINITY },
      });
      expect(wide.seconds / wide.computeSeconds).toBeCloseTo(1, 10);
      expect(wide.limit).toBe("compute");
      expect(wide.computeSeconds * 16_384e9).toBeCloseTo(wide.macs, 0);
    },
  );
});
