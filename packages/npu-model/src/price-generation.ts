import type { PrecisionDecision, PrecisionTrace } from "@stepdown/core";
import { precisionOfBlock } from "@stepdown/core";
import { checkInteger, checkRecord, MAXIMUM_TOKENS, refuse } from "./checks.js";
import { type CheckedForward, type CostRequest, checkCost, checkDecision } from "./forward-request.js";
import type { Limit } from "./operator-cost.js";
import { type Energy, energyOf, type ForwardCost, priceCheckedForward, utilization } from "./price-forward.js";
import { addTraffic, NO_TRAFFIC, type Traffic, totalBytes } from "./traffic.js";

/** A whole generation: a workload with the precision of every pass. */
export interface GenerationRequest extends CostRequest {
  /** From `uniformTrace`, `scheduledTrace`, or recorded by a real generation. */
  readonly trace: PrecisionTrace;
  /** Tokens generated per sequence. Default: one more than the decode passes, the first token coming from prefill. */
  readonly newTokens?: number;
}

/** One decode pass, without its operators. */
export interface StepCost {
  readonly precision: PrecisionDecision;
  readonly contextTokens: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly macs: number;
  readonly joules: number;
  readonly bandwidthUtilization: number;
  readonly limit: Limit;
}

/** One operator over all decode passes and blocks. */
export interface OperatorTotal {
  readonly name: string;
  readonly seconds: number;
  readonly bytes: number;
  readonly macs: number;
}

/** What a generation costs. */
export interface GenerationCost {
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly batch: number;
  /** Absent where the profile does not charge it. */
  readonly prefill: ForwardCost | undefined;
  /** Every decode pass of the trace, in order. */
  readonly steps: readonly StepCost[];
  /** Where decode time goes, largest first; the passes' fixed overhead is the entry "overhead". */
  readonly operators: readonly OperatorTotal[];
  /** Prefill, 0 where it is not charged. */
  readonly timeToFirstTokenSeconds: number;
  readonly decodeSeconds: number;
  /** Prefill and decode. */
  readonly seconds: number;
  /** Tokens of all sequences ÷ all seconds. */
  readonly tokensPerSecond: number;
  /** Decode passes × batch ÷ decode seconds. */
  readonly decodeTokensPerSecond: number;
  /** Decode passes that are charged; differs from the number of steps only in the paper profile. */
  readonly decodePasses: number;
  readonly traffic: Traffic;
  readonly bytes: number;
  readonly macs: number;
  readonly averageBytesPerStep: number;
  /** Mean precision of decode passes and blocks. */
  readonly averageBits: number;
  readonly bandwidthUtilization: number;
  readonly energy: Energy;
  readonly joulesPerToken: number;
}

/** Prices a generation. Throws `InvalidArgumentError` naming the key that cannot be. */
export function priceGeneration(request: GenerationRequest): GenerationCost {
  const common = checkCost(request);
  const { hardware, model, profile, batch } = common;
  const trace = checkTrace(request.trace, common.model);
  const newTokens = checkInteger("newTokens", request.newTokens ?? trace.decode.length + 1, 1, MAXIMUM_TOKENS);
  const base = { ...common, phase: "decode", tokens: 1 } as const;
  const prefill = profile.prefill
    ? priceCheckedForward({
        ...base,
        precision: trace.prefill,
        phase: "prefill",
        tokens: trace.promptTokens,
        contextTokens: 0,
      })
    : undefined;
  const totals = new Map<string, { name: string; seconds: number; bytes: number; macs: number }>();
  let traffic = NO_TRAFFIC;
  let recordedSeconds = 0;
  let recordedMacs = 0;
  let bits = 0;
  const steps = trace.decode.map((precision, index): StepCost => {
    const contextTokens =
      profile.context === "midpoint" ? trace.promptTokens + newTokens / 2 : trace.promptTokens + index;
    const pass: CheckedForward = { ...base, precision, contextTokens };
    const cost = priceCheckedForward(pass);
    collectOperators(totals, cost);
    traffic = addTraffic(traffic, cost.traffic);
    recordedSeconds += cost.seconds;
    recordedMacs += cost.macs;
    bits += averageOfBlocks(precision, model.blocks);
    const { seconds, bytes, macs, energy, bandwidthUtilization, limit } = cost;
    return { precision, contextTokens, seconds, bytes, macs, joules: energy.totalJoules, bandwidthUtilization, limit };
  });
  // A profile may charge other passes than were recorded, at the recorded ones' mean.
  const decodePasses = chargedPasses(profile.decodePasses, trace, newTokens);
  const share = decodePasses / steps.length;
  const decodeSeconds = recordedSeconds * share;
  const all = addTraffic(prefill?.traffic ?? NO_TRAFFIC, traffic, share);
  const bytes = totalBytes(all);
  const macs = (prefill?.macs ?? 0) + recordedMacs * share;
  const seconds = (prefill?.seconds ?? 0) + decodeSeconds;
  const energy = energyOf(bytes, macs, seconds, hardware);
  return {
    promptTokens: trace.promptTokens,
    newTokens,
    batch,
    prefill,
    steps,
    operators: [...totals.values()]
      .map((total) => ({
        name: total.name,
        seconds: total.seconds * share,
        bytes: total.bytes * share,
        macs: total.macs * share,
      }))
      .sort((one, other) => other.seconds - one.seconds),
    timeToFirstTokenSeconds: prefill?.seconds ?? 0,
    decodeSeconds,
    seconds,
    tokensPerSecond: (batch * newTokens) / seconds,
    decodeTokensPerSecond: (batch * decodePasses) / decodeSeconds,
    decodePasses,
    traffic: all,
    bytes,
    macs,
    averageBytesPerStep: totalBytes(traffic) / steps.length,
    averageBits: bits / steps.length,
    bandwidthUtilization: utilization(bytes, seconds, hardware),
    energy,
    joulesPerToken: energy.totalJoules / (batch * newTokens),
  };
}

function checkTrace(trace: PrecisionTrace, model: CheckedForward["model"]): PrecisionTrace {
  checkRecord("trace", trace);
  checkInteger("trace.promptTokens", trace.promptTokens, 1, MAXIMUM_TOKENS);
  checkDecision("trace.prefill", trace.prefill, model);
  if (!Array.isArray(trace.decode) || trace.decode.length === 0)
    refuse(
      "trace.decode",
      trace.decode,
      "a list with one precision for each decode pass, at least one; price a prompt alone with priceForward",
    );
  if (trace.decode.length > MAXIMUM_TOKENS) refuse("trace.decode", trace.decode, `at most ${MAXIMUM_TOKENS} entries`);
  trace.decode.forEach((decision, index) => {
    checkDecision(`trace.decode[${index}]`, decision, model);
  });
  return trace;
}

function chargedPasses(
  rule: CheckedForward["profile"]["decodePasses"],
  trace: PrecisionTrace,
  newTokens: number,
): number {
  if (rule === "recorded") return trace.decode.length;
  const first = JSON.stringify(trace.decode[0]);
  const mixed = trace.decode.some((decision) => JSON.stringify(decision) !== first);
  const passes = newTokens - (mixed ? rule.omittedMixed : rule.omittedUniform);
  if (passes < 1) refuse("newTokens", newTokens, "more tokens than the profile leaves out of its count of passes");
  return passes;
}

function collectOperators(
  totals: Map<string, { name: string; seconds: number; bytes: number; macs: number }>,
  cost: ForwardCost,
): void {
  const add = (name: string, seconds: number, bytes: number, macs: number): void => {
    const total = totals.get(name);
    if (total === undefined) totals.set(name, { name, seconds, bytes, macs });
    else {
      total.seconds += seconds;
      total.bytes += bytes;
      total.macs += macs;
    }
  };
  for (const { work, seconds } of cost.operators)
    add(work.name, seconds, work.blocks * totalBytes(work.traffic), work.blocks * work.macs);
  add("overhead", cost.overheadSeconds, 0, 0);
}

function averageOfBlocks(decision: PrecisionDecision, blocks: number): number {
  if (typeof decision === "number") return decision;
  let sum = 0;
  for (let block = 0; block < blocks; block++) sum += precisionOfBlock(decision, block);
  return sum / blocks;
}
