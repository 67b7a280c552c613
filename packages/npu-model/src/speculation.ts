import type { PrecisionDecision } from "@stepdown/core";
import { checkInteger, refuse } from "./checks.js";
import { type CostRequest, checkCost, checkDecision } from "./forward-request.js";
import { priceForward } from "./price-forward.js";

/** Self-speculative decoding: drafts at few bits, one batched pass at many bits verifies them. */
export interface SpeculationRequest extends CostRequest {
  readonly draft: PrecisionDecision;
  readonly target: PrecisionDecision;
  /** Drafted tokens per round, γ. */
  readonly draftTokens: number;
  /** Probability that a drafted token is accepted, taken as independent of its place; 0 … 1. */
  readonly acceptance: number;
  /** Cached tokens. Default 0. */
  readonly contextTokens?: number;
}

/** What a round of speculation costs and gives. */
export interface SpeculationCost {
  readonly draftTokens: number;
  /** Tokens gained per round, the bonus token of the verification included: `(1 − a^(γ+1)) / (1 − a)`. */
  readonly expectedTokens: number;
  /** One draft step. */
  readonly draftSeconds: number;
  /** The batched pass over γ + 1 tokens. */
  readonly verifySeconds: number;
  /** One plain step at the target's precision. */
  readonly targetSeconds: number;
  /** Draft step ÷ target step, c. */
  readonly costRatio: number;
  /** Over plain decoding at the target's precision. */
  readonly speedup: number;
  /** The same if verifying γ + 1 tokens cost what one token costs: `expected / (γ·c + 1)`. */
  readonly idealSpeedup: number;
}

/** Longest draft that {@link bestDraftLength} tries; beyond it acceptance has long decided. */
const LONGEST_DRAFT = 32;

/** Prices one draft length. */
export function priceSpeculation(request: SpeculationRequest): SpeculationCost {
  const { acceptance, contextTokens = 0 } = request;
  const { model } = checkCost(request);
  if (typeof acceptance !== "number" || !(acceptance >= 0 && acceptance <= 1))
    refuse("acceptance", acceptance, "a number from 0 to 1");
  const draftTokens = checkInteger("draftTokens", request.draftTokens, 1, 1024);
  const common = { ...onlyCost(request), contextTokens };
  const step = (precision: PrecisionDecision, tokens: number): number =>
    priceForward({ ...common, precision, tokens }).seconds;
  const draftSeconds = step(checkDecision("draft", request.draft, model), 1);
  const target = checkDecision("target", request.target, model);
  const targetSeconds = step(target, 1);
  const verifySeconds = step(target, draftTokens + 1);
  // Summed, not divided, so that acceptance 1 needs no case of its own.
  let expectedTokens = 0;
  for (let accepted = 0; accepted <= draftTokens; accepted++) expectedTokens += acceptance ** accepted;
  const costRatio = draftSeconds / targetSeconds;
  return {
    draftTokens,
    expectedTokens,
    draftSeconds,
    verifySeconds,
    targetSeconds,
    costRatio,
    speedup: (expectedTokens * targetSeconds) / (draftTokens * draftSeconds + verifySeconds),
    idealSpeedup: expectedTokens / (draftTokens * costRatio + 1),
  };
}

/** The draft length with the largest speed-up. Below 1 means: do not speculate. */
export function bestDraftLength(request: Omit<SpeculationRequest, "draftTokens">): SpeculationCost {
  let best = priceSpeculation({ ...request, draftTokens: 1 });
  for (let draftTokens = 2; draftTokens <= LONGEST_DRAFT; draftTokens++) {
    const next = priceSpeculation({ ...request, draftTokens });
    if (next.speedup > best.speedup) best = next;
  }
  return best;
}

function onlyCost({ hardware, model, codec, profile, batch }: CostRequest): CostRequest {
  return {
    hardware,
    model,
    ...(codec === undefined ? {} : { codec }),
    ...(profile === undefined ? {} : { profile }),
    ...(batch === undefined ? {} : { batch }),
  };
}
