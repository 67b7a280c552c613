import { checkInteger, checkKeys, checkRecord, checkWord, refuse } from "./checks.js";
import { checkHeadBits } from "./create-hardware.js";
import type { HeadBits } from "./hardware-description.js";

/**
 * What a forward pass is charged for, and how operators overlap. The hardware says how fast; the profile says what
 * counts. Three are given; others are made by spreading one: `{ ...PHYSICAL_PROFILE, name: "causal", … }`.
 */
export interface CostProfile {
  readonly name: string;
  /**
   * `perfect`: weights are fetched any time ahead, a pass takes the longer of all memory and all compute time.
   * `layer`: each operator takes the longer of its own two; special functions hide behind their block.
   */
  readonly overlap: "perfect" | "layer";
  /** Whether double buffering costs its first tile, and memory its latency. */
  readonly pipelineFill: boolean;
  /** Whether cached keys and values are fetched while the attention unit works. Without: first one, then the other. */
  readonly attentionOverlap: boolean;
  /** Whether prefill is part of a generation's time. */
  readonly prefill: boolean;
  /** Attention in prefill: all pairs of positions, or those that causality leaves. */
  readonly prefillAttention: "full-square" | "causal";
  /** Whether activations of a long prompt that do not fit on chip cause traffic. */
  readonly prefillActivations: boolean;
  /** Which prompt positions run through the head. */
  readonly prefillHead: "last-token" | "all-tokens";
  /** Whether the codec's tables and scales are read. */
  readonly tables: boolean;
  /** Whether biases, norm weights and embedding rows are read. */
  readonly vectors: boolean;
  /** Whether new keys and values are written. */
  readonly cacheWrites: boolean;
  /** Whether softmax, norms, activation functions, rotation and residuals take time. */
  readonly specialFunctions: boolean;
  /** Context of decode step i: `exact` L + i; `midpoint` L + S/2 for every step. */
  readonly context: "exact" | "midpoint";
  /**
   * Decode passes a generation of S tokens is charged: `recorded`, those of the trace; or S less a number that
   * depends on whether the trace mixes precisions, at the trace's mean cost (only to reproduce published figures).
   */
  readonly decodePasses: "recorded" | { readonly omittedUniform: number; readonly omittedMixed: number };
  /** Overrides the hardware's. */
  readonly headBits?: HeadBits;
  /** Overrides the hardware's. */
  readonly keyValueBits?: number;
}

/**
 * The model behind PMPD's figure "End-to-end NPU throughput", reverse-engineered: no head, no prefill, no tables,
 * 8-bit cache, S − 1 (uniform) or S − 2 (mixed) passes at mean context L + S/2.
 */
export const PAPER_PROFILE: CostProfile = {
  name: "paper",
  overlap: "perfect",
  pipelineFill: false,
  attentionOverlap: true,
  prefill: false,
  prefillAttention: "full-square",
  prefillActivations: false,
  prefillHead: "last-token",
  tables: false,
  vectors: false,
  cacheWrites: false,
  specialFunctions: false,
  context: "midpoint",
  decodePasses: { omittedUniform: 1, omittedMixed: 2 },
  headBits: 0,
  keyValueBits: 8,
};

/** Everything is charged, with the bits of head and cache that the hardware names: for our own conclusions. */
export const PHYSICAL_PROFILE: CostProfile = {
  name: "physical",
  overlap: "layer",
  pipelineFill: true,
  attentionOverlap: true,
  prefill: true,
  prefillAttention: "causal",
  prefillActivations: true,
  prefillHead: "last-token",
  tables: true,
  vectors: true,
  cacheWrites: true,
  specialFunctions: true,
  context: "exact",
  decodePasses: "recorded",
};

/**
 * The physical model without its small terms: head, cache and prefill charged, but operators overlap perfectly, attention
 * in prefill is the full square, and tables, vectors, activations and special functions are free. For checks by hand.
 */
export const PHYSICAL_SIMPLE_PROFILE: CostProfile = {
  ...PHYSICAL_PROFILE,
  name: "physical-simple",
  overlap: "perfect",
  pipelineFill: false,
  prefillAttention: "full-square",
  prefillActivations: false,
  tables: false,
  vectors: false,
  cacheWrites: false,
  specialFunctions: false,
  context: "midpoint",
};

/** As {@link PHYSICAL_PROFILE}, with what FlightLLM's public simulator seems to do: head for all positions, no overlap in attention. */
export const FLIGHTLLM_PROFILE: CostProfile = {
  ...PHYSICAL_PROFILE,
  name: "flightllm",
  attentionOverlap: false,
  prefillAttention: "full-square",
  prefillHead: "all-tokens",
  tables: false,
};

/** The profiles by name. */
export const costProfiles: ReadonlyMap<string, CostProfile> = new Map(
  [PAPER_PROFILE, PHYSICAL_PROFILE, PHYSICAL_SIMPLE_PROFILE, FLIGHTLLM_PROFILE].map((profile) => [
    profile.name,
    profile,
  ]),
);

const FLAGS = [
  "pipelineFill",
  "attentionOverlap",
  "prefill",
  "prefillActivations",
  "tables",
  "vectors",
  "cacheWrites",
  "specialFunctions",
] as const;

const KEYS: readonly string[] = [...Object.keys(PAPER_PROFILE)];

const checked = new WeakSet<object>();

/** A profile, checked. Throws `InvalidArgumentError`. */
export function checkProfile(profile: CostProfile): CostProfile {
  if (typeof profile === "object" && profile !== null && checked.has(profile)) return profile;
  const given = checkRecord("profile", profile);
  checkKeys("profile", given, KEYS);
  for (const flag of FLAGS)
    if (typeof given[flag] !== "boolean") refuse(`profile.${flag}`, given[flag], "true or false");
  checkWord("profile.overlap", given.overlap, ["perfect", "layer"]);
  checkWord("profile.prefillAttention", given.prefillAttention, ["full-square", "causal"]);
  checkWord("profile.prefillHead", given.prefillHead, ["last-token", "all-tokens"]);
  checkWord("profile.context", given.context, ["exact", "midpoint"]);
  if (given.decodePasses !== "recorded") {
    const passes = checkRecord("profile.decodePasses", given.decodePasses);
    for (const key of ["omittedUniform", "omittedMixed"])
      checkInteger(`profile.decodePasses.${key}`, passes[key], 0, 16);
  }
  if (given.headBits !== undefined) checkHeadBits("profile.headBits", given.headBits);
  if (given.keyValueBits !== undefined) checkInteger("profile.keyValueBits", given.keyValueBits, 1, 32);
  checked.add(profile);
  return profile;
}
