import { describe, expect, it } from "vitest";
import { PHYSICAL_SIMPLE_PROFILE } from "./cost-profile.js";
import { breakEvenMacsPerCycle, sweepDesigns } from "./design-space.js";
import { explainForward, summarizeForward } from "./explain.js";
import { NPU_L, NPU_S } from "./hardware-presets.js";
import { PHI_1_5, SMOLLM2_1_7B, VICUNA_7B } from "./model-shapes.js";
import { priceForward } from "./price-forward.js";
import { rooflinePoints } from "./roofline.js";

describe("a sweep over designs", () => {
  const request = {
    hardware: NPU_S,
    model: SMOLLM2_1_7B,
    profile: PHYSICAL_SIMPLE_PROFILE,
    workload: { promptTokens: 100, newTokens: 10 },
    bandwidthsBytesPerSecond: [8e9, 64e9],
    macsPerCycle: [16, 4096],
    bits: [2, 4],
  };
  const space = sweepDesigns(request);

  it("prices every combination", () => {
    expect(space.points).toHaveLength(8);
    const at = (bandwidth: number, macs: number, bits: number) =>
      space.points.find(
        (point) => point.bandwidthBytesPerSecond === bandwidth && point.macsPerCycle === macs && point.bits === bits,
      )!;
    expect(at(64e9, 4096, 2).decodeLimit).toBe("memory");
    expect(at(64e9, 16, 2).decodeLimit).toBe("compute");
    // A machine limited by compute gains nothing from fewer bits in decode.
    expect(at(64e9, 4096, 2).tokensPerSecond).toBeGreaterThan(1.2 * at(64e9, 4096, 4).tokensPerSecond);
    expect(at(64e9, 16, 2).tokensPerSecond).toBeCloseTo(at(64e9, 16, 4).tokensPerSecond, 6);
  });

  it("finds the sizes at which memory and compute meet: the limit changes across the line", () => {
    expect(space.breakEven).toHaveLength(4);
    for (const { bandwidthBytesPerSecond, bits, decodeMacsPerCycle, prefillMacsPerCycle } of space.breakEven) {
      const limit = (macsPerCycle: number, phase: "prefill" | "decode"): string =>
        priceForward({
          hardware: { ...NPU_S, bandwidthBytesPerSecond, compute: { kind: "macs", macsPerCycle } },
          model: SMOLLM2_1_7B,
          profile: PHYSICAL_SIMPLE_PROFILE,
          precision: bits,
          phase,
          tokens: phase === "prefill" ? 100 : 1,
          contextTokens: phase === "prefill" ? 0 : 105,
        }).limit;
      expect(limit(decodeMacsPerCycle * 0.99, "decode")).toBe("compute");
      expect(limit(decodeMacsPerCycle * 1.01, "decode")).toBe("memory");
      expect(limit(prefillMacsPerCycle * 0.99, "prefill")).toBe("compute");
      expect(limit(prefillMacsPerCycle * 1.01, "prefill")).toBe("memory");
    }
  });

  it("break-even of bare weights is the machine balance", () => {
    const macs = breakEvenMacsPerCycle({
      hardware: { ...NPU_S, headBits: 0 },
      model: VICUNA_7B,
      profile: PHYSICAL_SIMPLE_PROFILE,
      precision: 2,
    });
    expect(macs).toBeCloseTo(128, 9);
  });
});

describe("a roofline", () => {
  it("has every multiplying operator under the roof, at its intensity", () => {
    const roofline = rooflinePoints({ hardware: NPU_L, model: VICUNA_7B, precision: 4, contextTokens: 500 });
    expect(roofline.ridgeMacsPerByte).toBe(16_384e9 / 32e9);
    expect(roofline.points.map((point) => point.name)).toEqual([
      "self_attn.q_proj",
      "self_attn.k_proj",
      "self_attn.v_proj",
      "attention",
      "self_attn.o_proj",
      "mlp.gate_proj",
      "mlp.up_proj",
      "mlp.down_proj",
      "head",
    ]);
    // One multiply-accumulate per 4-bit weight: two per byte.
    expect(roofline.points[0]!.macsPerByte).toBeCloseTo(2, 9);
    for (const point of roofline.points)
      expect(point.macsPerSecond).toBeLessThanOrEqual(point.roofMacsPerSecond * 1.000001);
  });
  it("moves towards the flat part with the tokens of a prompt", () => {
    const { points } = rooflinePoints({
      hardware: NPU_L,
      model: VICUNA_7B,
      precision: 4,
      phase: "prefill",
      tokens: 32,
    });
    expect(points[0]!.macsPerByte).toBeGreaterThan(10 * 2);
  });
});

describe("explanations", () => {
  const decode = priceForward({
    hardware: NPU_S,
    model: PHI_1_5,
    precision: 4,
    contextTokens: 1000,
    codec: { codec: "codebook" },
  });

  it("name the limit of every operator, the most expensive first, and add up to the pass", () => {
    const explanations = explainForward(decode);
    expect(explanations.reduce((sum, entry) => sum + entry.share, 0)).toBeCloseTo(1, 9);
    expect(explanations[0]!.operator).toBe("head");
    expect(explanations[0]!.sentence).toMatch(/^head at 16 bits: 6\.557 ms, 20\.4 % of the pass; limited by memory/);
    const seconds = explanations.map((entry) => entry.seconds);
    expect(seconds).toEqual(seconds.toSorted((one, other) => other - one));
    expect(explainForward(decode, { minimumShare: 0.1 })).toHaveLength(4);
  });

  it("say what would help, according to the limit", () => {
    const sentence = (cost: typeof decode, operator: string): string =>
      explainForward(cost).find((entry) => entry.operator === operator)!.sentence;
    expect(sentence(decode, "attention")).toMatch(/shorter context, fewer bits per cached value/);
    expect(sentence(decode, "mlp.fc1")).toMatch(/more MACs do not/);
    const slow = priceForward({
      hardware: { ...NPU_S, compute: { kind: "macs", macsPerCycle: 8 } },
      model: PHI_1_5,
      precision: 4,
    });
    expect(sentence(slow, "mlp.fc1")).toMatch(/limited by compute.*More MACs help/);
    const prompt = priceForward({ hardware: NPU_S, model: PHI_1_5, precision: 16, phase: "prefill", tokens: 800 });
    expect(sentence(prompt, "mlp.fc2")).toMatch(/larger activation buffer/);
  });

  it("sum up a pass in one sentence", () => {
    expect(summarizeForward(decode)).toBe(
      "A decode pass of one token at 1000 cached tokens takes 32.09 ms: memory 32.06 ms for 1.026 GB, compute 345 µs for 1.41 G MACs; it is limited by memory and uses 99.9 % of the bandwidth.",
    );
  });
});
