import type { PrecisionTrace } from "@stepdown/core";
import { type CostProfile, PAPER_PROFILE } from "./cost-profile.js";
import type { HardwareDescription } from "./hardware-description.js";
import { hardwarePresets } from "./hardware-presets.js";
import type { ModelShape } from "./model-shape.js";
import { modelShapes } from "./model-shapes.js";
import { priceGeneration } from "./price-generation.js";
import {
  FITTED_PROMPT_TOKENS,
  type FigureScheme,
  type FigureTask,
  PUBLISHED_FIGURE,
  type PublishedBits,
  type PublishedGroup,
} from "./published-results.js";
import { uniformTrace } from "./traces.js";

/** Another machine, profile or workload for the figure; the default is what reproduces it. */
export interface PaperFigureOptions {
  /** Default: {@link PAPER_PROFILE}. */
  readonly profile?: CostProfile;
  /** Replaces the authors' machine. Default: unchanged. */
  readonly changeHardware?: (hardware: HardwareDescription) => HardwareDescription;
  /** Default: {@link FITTED_PROMPT_TOKENS}. */
  readonly promptTokens?: Readonly<Record<FigureTask, number>>;
}

/** One bar: ours next to the published one. */
export interface FigureBar {
  readonly task: FigureTask;
  readonly model: string;
  readonly hardware: string;
  readonly scheme: FigureScheme;
  /** Average bits of decode. */
  readonly bits: number;
  /** Where the average comes from; `backed-out` bars are no evidence. */
  readonly bitsSource: PublishedBits["source"];
  readonly tokensPerSecond: number;
  readonly publishedTokensPerSecond: number;
  /** Ours ÷ published − 1. */
  readonly relativeError: number;
  /** Over fp16, ours. */
  readonly speedup: number;
  /** Over fp16, as printed above the bar; `undefined` for fp16 itself. */
  readonly publishedSpeedup: number | undefined;
}

const SCHEMES: readonly FigureScheme[] = ["fp16", "uniform", "static", "learned"];

/**
 * PMPD's figure "End-to-end NPU throughput" from our model: 32 bars, of which 28 are evidence.
 *
 * Only averages of bits are published for mixed schedules, so a mixed bar is priced as the mixture of its two
 * precisions' decode times, which is exact where time is linear in bits.
 */
export function paperFigure(options: PaperFigureOptions = {}): readonly FigureBar[] {
  return PUBLISHED_FIGURE.flatMap((group) => {
    const fp16 = throughput(group, "fp16", options);
    return SCHEMES.map((scheme): FigureBar => {
      const { bits, source } = bitsOf(group, scheme);
      const tokensPerSecond = scheme === "fp16" ? fp16 : throughput(group, scheme, options);
      const published = group.tokensPerSecond[scheme];
      return {
        task: group.task,
        model: group.model,
        hardware: group.hardware,
        scheme,
        bits,
        bitsSource: source,
        tokensPerSecond,
        publishedTokensPerSecond: published,
        relativeError: tokensPerSecond / published - 1,
        speedup: tokensPerSecond / fp16,
        publishedSpeedup: scheme === "fp16" ? undefined : group.labels[scheme],
      };
    });
  });
}

function bitsOf(group: PublishedGroup, scheme: FigureScheme): PublishedBits {
  if (scheme === "fp16") return { bits: 16, source: "published" };
  return scheme === "uniform" ? { bits: group.highBits, source: "published" } : group.averageBits[scheme];
}

function throughput(group: PublishedGroup, scheme: FigureScheme, options: PaperFigureOptions): number {
  const { bits } = bitsOf(group, scheme);
  const workload = {
    promptTokens: (options.promptTokens ?? FITTED_PROMPT_TOKENS)[group.task],
    newTokens: group.newTokens,
  };
  const profile = options.profile ?? PAPER_PROFILE;
  if (scheme === "fp16" || scheme === "uniform")
    return workload.newTokens / price(uniformTrace(workload, bits)).seconds;
  // Both precisions alone, with the passes that a mixed schedule is charged; prefill at the high one.
  const mixed = mixedPasses(profile);
  const high = price(uniformTrace(workload, group.highBits), mixed);
  const low = price({ ...uniformTrace(workload, group.lowBits), prefill: group.highBits }, mixed);
  const share = (bits - group.lowBits) / (group.highBits - group.lowBits);
  return workload.newTokens / (share * high.seconds + (1 - share) * low.seconds);

  function price(trace: PrecisionTrace, charged: CostProfile = profile): { seconds: number } {
    const { hardware, model } = machineAndModel(group);
    return priceGeneration({
      hardware: options.changeHardware?.(hardware) ?? hardware,
      model,
      trace,
      profile: charged,
    });
  }
}

function mixedPasses(profile: CostProfile): CostProfile {
  const passes = profile.decodePasses;
  if (passes === "recorded") return profile;
  return { ...profile, decodePasses: { omittedUniform: passes.omittedMixed, omittedMixed: passes.omittedMixed } };
}

function machineAndModel(group: PublishedGroup): { hardware: HardwareDescription; model: ModelShape } {
  return { hardware: hardwarePresets.get(group.hardware)!, model: modelShapes.get(group.model)! };
}
