import { describe, expect, it } from "vitest";
import { PHYSICAL_PROFILE, PHYSICAL_SIMPLE_PROFILE } from "./cost-profile.js";
import { createHardware } from "./create-hardware.js";
import { createModelShape } from "./create-model-shape.js";
import { NPU_L, NPU_S } from "./hardware-presets.js";
import { chooseLoopOrder } from "./linear-work.js";
import { QWEN2_1_5B, SMOLLM2_1_7B, SMOLLM2_135M } from "./model-shapes.js";
import { type ForwardCost, priceForward } from "./price-forward.js";

// Small enough to count by hand: d = 64, 4 query heads and 2 key/value heads of 16, f = 128, 3 blocks, V = 100.
const tiny = createModelShape({
  name: "tiny",
  blocks: 3,
  hiddenSize: 64,
  feedForwardSize: 128,
  heads: 4,
  keyValueHeads: 2,
  vocabularySize: 100,
});
/** Weights of one block: q and o 64·64, k and v 32·64, three of 128·64. */
const BLOCK_WEIGHTS = 2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64;
/** Rows of one block's linear layers. */
const BLOCK_ROWS = 64 + 32 + 32 + 64 + 128 + 128 + 64;

const hardware = createHardware({
  name: "bench",
  compute: { kind: "macs", macsPerCycle: 8 },
  bandwidthBytesPerSecond: 1e6,
  frequencyHertz: 1e6,
});
const operator = (cost: ForwardCost, name: string) => cost.operators.find((entry) => entry.work.name === name)!;

describe("traffic of a decode step", () => {
  it("counts weights, cache, head, norms and the embedding's row", () => {
    const cost = priceForward({ hardware, model: tiny, precision: 3, contextTokens: 10 });
    expect(cost.traffic).toEqual({
      weights: 3 * ((BLOCK_WEIGHTS * 3) / 8) + 100 * 64 * 2,
      tables: 0,
      // Norms: two per block and a final one; the embedding's row.
      vectors: (3 * 2 + 1) * 64 * 2 + 64 * 2,
      cacheReads: 3 * 2 * 2 * 16 * 2 * 10,
      cacheWrites: 3 * 2 * 2 * 16 * 2,
      activations: 0,
    });
    expect(cost.macs).toBe(3 * (BLOCK_WEIGHTS + 2 * 4 * 16 * 10) + 100 * 64);
  });

  it.each([
    ["plain", { codec: "plain" } as const, 0],
    ["codebook: 2^p half-precision numbers per row", { codec: "codebook" } as const, BLOCK_ROWS * 2 ** 3 * 2],
    ["codebook: as many per group", { codec: "codebook", groupCount: 4 } as const, BLOCK_ROWS * 4 * 2 ** 3 * 2],
    ["uniform: a float32 per row", { codec: "uniform" } as const, BLOCK_ROWS * 4],
    [
      "bcq, 8-bit scales: p bytes per group of 32 and a half-precision step per row",
      { codec: "bcq", groupSize: 32 } as const,
      (BLOCK_WEIGHTS / 32) * 3 + BLOCK_ROWS * 2,
    ],
    [
      "bcq as published: p + 1 half-precision numbers per group of 32",
      { codec: "bcq", groupSize: 32, scaleBits: 16, offsets: true } as const,
      (BLOCK_WEIGHTS / 32) * (3 + 1) * 2,
    ],
  ])("tables of a block at p = 3: %s", (_, codec, bytes) => {
    const cost = priceForward({ hardware, model: tiny, precision: 3, codec });
    expect(cost.traffic.tables).toBe(3 * bytes);
    expect(priceForward({ hardware, model: tiny, precision: 16, codec }).traffic.tables).toBe(0);
  });

  it("charges tables as the effective bits of the contracts: p + 16·2^p/K and p + 8p/g + 16/K", () => {
    const bits = (codec: Parameters<typeof priceForward>[0]["codec"]): number => {
      const cost = priceForward({ hardware: NPU_S, model: SMOLLM2_1_7B, precision: 4, codec: codec! });
      const { work } = operator(cost, "mlp.down_proj");
      return ((work.traffic.weights + work.traffic.tables) * 8) / (2048 * 8192);
    };
    expect(bits({ codec: "codebook" })).toBeCloseTo(4 + (16 * 2 ** 4) / 8192, 12);
    expect(bits({ codec: "bcq", groupSize: 128 })).toBeCloseTo(4 + 32 / 128 + 16 / 8192, 12);
  });

  it("follows a precision per block", () => {
    const each = priceForward({ hardware, model: tiny, precision: [2, 3, 4] });
    const sum = [2, 3, 4].reduce((total, bits) => total + (BLOCK_WEIGHTS * bits) / 8, 100 * 64 * 2);
    expect(each.traffic.weights).toBe(sum);
    expect(each.operators.filter((entry) => entry.work.name === "mlp.up_proj").map((entry) => entry.work.bits)).toEqual(
      [2, 3, 4],
    );
  });

  it("reads the head at its own bits, or the body's, or not at all", () => {
    const head = (headBits: number | "body"): number =>
      priceForward({ hardware: { ...hardware, headBits }, model: tiny, precision: 4 })
        .operators.filter((entry) => entry.work.kind === "head")
        .reduce((sum, entry) => sum + entry.work.traffic.weights, 0);
    expect([head(16), head(8), head("body"), head(0)]).toEqual([12_800, 6400, 3200, 0]);
  });

  it("reads the cache of the key/value heads but multiplies for the query heads", () => {
    const { work } = operator(
      priceForward({ hardware: NPU_S, model: QWEN2_1_5B, precision: 4, contextTokens: 1000 }),
      "attention",
    );
    expect(work.traffic.cacheReads).toBe(2 * 2 * 128 * 2 * 1000);
    expect(work.macs).toBe(2 * 12 * 128 * 1000);
  });

  it("looks back no further than a sliding window, in the blocks that have one", () => {
    const windowed = createModelShape({
      name: "windowed",
      blocks: 3,
      hiddenSize: 64,
      feedForwardSize: 128,
      heads: 4,
      vocabularySize: 100,
      slidingWindow: { tokens: 50, fromBlock: 1 },
    });
    const cost = priceForward({ hardware, model: windowed, precision: 4, contextTokens: 400 });
    expect(cost.traffic.cacheReads).toBe(2 * 64 * 2 * (400 + 50 + 50));
  });

  it("shares weights, not caches, within a batch", () => {
    const one = priceForward({ hardware, model: tiny, precision: 4, contextTokens: 10 });
    const four = priceForward({ hardware, model: tiny, precision: 4, contextTokens: 10, batch: 4 });
    expect(four.traffic.weights).toBe(one.traffic.weights);
    expect(four.traffic.cacheReads).toBe(4 * one.traffic.cacheReads);
    expect(four.traffic.cacheWrites).toBe(4 * one.traffic.cacheWrites);
    expect(four.macs).toBe(4 * one.macs);
  });
});

describe("time", () => {
  it("of an operator is bytes over bandwidth or MACs over their rate, the longer, plus the first tile's other side", () => {
    const machine = { ...hardware, weightBufferBytes: 2 * 1024, weightBandwidthEfficiency: 0.5 };
    const cost = operator(priceForward({ hardware: machine, model: tiny, precision: 4 }), "mlp.gate_proj");
    const memory = (128 * 64) / 2 / 0.5e6;
    const compute = (128 * 64) / 8e6;
    expect(cost.memorySeconds).toBeCloseTo(memory, 12);
    expect(cost.computeSeconds).toBeCloseTo(compute, 12);
    // 4096 bytes through tiles of 1024: a quarter of the compute time sticks out.
    expect(cost.seconds).toBeCloseTo(3 * (memory + compute / 4), 12);
    expect(cost.limit).toBe("memory");
  });

  it("grows steadily where a cache begins to need a second tile: a larger one is never faster", () => {
    const machine = { ...NPU_S, weightBufferBytes: 2 * 4096, compute: { kind: "macs", macsPerCycle: 64 } as const };
    const times = Array.from(
      { length: 200 },
      (_, contextTokens) =>
        priceForward({ hardware: machine, model: SMOLLM2_135M, precision: 2, contextTokens }).seconds,
    );
    for (let context = 1; context < times.length; context++)
      expect(times[context]).toBeGreaterThan(times[context - 1]!);
  });

  it("a draft is verified for free until compute catches up with memory", () => {
    const verify = (tokens: number): number =>
      priceForward({ hardware: NPU_S, model: SMOLLM2_135M, profile: PHYSICAL_SIMPLE_PROFILE, precision: 4, tokens })
        .seconds;
    expect(verify(8)).toBe(verify(1));
    expect(verify(400)).toBeGreaterThan(1.5 * verify(1));
  });

  it("a fixed array wastes what a layer does not fill, and takes the better of its two modes", () => {
    const array = createHardware({
      name: "array",
      compute: {
        kind: "array",
        matrix: { tokens: 16, inputs: 16, outputs: 16 },
        vector: { inputs: 64, outputs: 64 },
      },
      bandwidthBytesPerSecond: 32e9,
    });
    const cycles = (tokens: number): number =>
      priceForward({ hardware: array, model: SMOLLM2_135M, precision: 4, tokens }).operators.find(
        (entry) => entry.work.name === "mlp.gate_proj",
      )!.computeSeconds * 1e9;
    expect(cycles(1)).toBeCloseTo(9 * 24, 6);
    expect(cycles(3)).toBeCloseTo(3 * 9 * 24, 6);
    // From 16 tokens on the matrix mode is as fast: ceil(t/16) · 36 · 96 cycles.
    expect(cycles(17)).toBeCloseTo(Math.min(17 * 9 * 24, 2 * 36 * 96), 6);
    expect(cycles(32)).toBeCloseTo(2 * 36 * 96, 6);
  });

  it("a bit-serial unit takes time in proportion to the bits", () => {
    const serial = createHardware({
      name: "serial",
      compute: { kind: "bit-serial", planeWeightsPerSecond: 1e9, denseMacsPerSecond: 1e12 },
      bandwidthBytesPerSecond: Number.POSITIVE_INFINITY,
      headBits: 0,
      specialFunctionLanes: Number.POSITIVE_INFINITY,
    });
    const at = (bits: number): number => priceForward({ hardware: serial, model: tiny, precision: bits }).seconds;
    expect(at(4)).toBeCloseTo((3 * BLOCK_WEIGHTS * 4) / 1e9, 12);
    expect(at(8) / at(2)).toBeCloseTo(4, 10);
  });

  it("special functions hide behind their block and show when lanes are few", () => {
    const at = (specialFunctionLanes: number): ForwardCost =>
      priceForward({ hardware: { ...NPU_L, specialFunctionLanes }, model: SMOLLM2_1_7B, precision: 4 });
    expect(operator(at(64), "norms and element-wise").seconds).toBeLessThan(1e-3 * at(64).seconds);
    expect(at(0.01).limit).toBe("special-functions");
    expect(at(0.01).seconds).toBeGreaterThan(2 * at(64).seconds);
  });

  it("energy is bytes and MACs at their prices, and idle power over time", () => {
    const cost = priceForward({
      hardware: { ...hardware, picojoulesPerByte: 20, picojoulesPerMac: 3, idleWatts: 0.5 },
      model: tiny,
      precision: 4,
    });
    expect(cost.energy.memoryJoules).toBeCloseTo(cost.bytes * 20e-12, 18);
    expect(cost.energy.computeJoules).toBeCloseTo(cost.macs * 3e-12, 18);
    expect(cost.energy.totalJoules).toBeCloseTo(cost.bytes * 20e-12 + cost.macs * 3e-12 + cost.seconds * 0.5, 15);
  });
});

describe("prefill", () => {
  it("runs only the last position through the head", () => {
    const cost = priceForward({ hardware, model: tiny, precision: 4, phase: "prefill", tokens: 7 });
    expect(operator(cost, "head").work.macs).toBe(100 * 64);
    const all = priceForward({
      hardware,
      model: tiny,
      precision: 4,
      phase: "prefill",
      tokens: 7,
      profile: { ...PHYSICAL_PROFILE, prefillHead: "all-tokens", prefillAttention: "full-square" },
    });
    expect(operator(all, "head").work.macs).toBe(7 * 100 * 64);
    expect(operator(cost, "attention").work.macs).toBe(2 * 4 * 16 * 28);
    expect(operator(all, "attention").work.macs).toBe(2 * 4 * 16 * 49);
  });

  it("chooses the loop order that moves the fewest bytes", () => {
    const buffers = { activationBits: 16, activationBufferBytes: 100_000, weightBufferBytes: 200_000 };
    // 50 tokens of 100 → 100: 20 kB fit.
    expect(chooseLoopOrder(5000, 50, 100, 100, buffers)).toEqual({
      order: "activations-on-chip",
      weightPasses: 1,
      activationBytes: 0,
    });
    // 1000 tokens, a weight of one tile: activations stream past the weights once.
    expect(chooseLoopOrder(90_000, 1000, 100, 100, buffers)).toEqual({
      order: "weights-outer",
      weightPasses: 1,
      activationBytes: 400_000,
    });
    // A weight of 40 tiles: rather the weights twice (chunks of 500 tokens) than the activations 40 times.
    expect(chooseLoopOrder(4e6, 1000, 100, 100, buffers)).toEqual({
      order: "activations-outer",
      weightPasses: 2,
      activationBytes: 400_000,
    });
    // The same with four times the prompt and two tiles: rather the activations twice than the weights eight times.
    expect(chooseLoopOrder(2e5, 4000, 100, 100, buffers)).toEqual({
      order: "weights-outer",
      weightPasses: 1,
      activationBytes: 2 * 800_000 + 800_000,
    });
  });
});
