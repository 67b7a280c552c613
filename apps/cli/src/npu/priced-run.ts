/** One column of the table that `npu` prints: a workload with its precisions and what it costs. */
import type { Precision, PrecisionTrace } from "@stepdown/core";
import { type GenerationCost, type OperatorCost, totalBytes } from "@stepdown/npu-model";

/** A priced workload, and what it is compared with. */
export interface PricedRun {
  readonly name: string;
  readonly kind: "schedule" | "trace" | "uniform";
  readonly trace: PrecisionTrace;
  readonly cost: GenerationCost;
  readonly against: {
    /** Bits of the uniform run. */
    readonly bits: Precision;
    readonly uniform: GenerationCost;
    readonly float: GenerationCost;
  };
}

/** An operator of the prompt's pass with all its blocks, in the form of the decode operators. */
export interface PrefillOperator {
  readonly name: string;
  readonly seconds: number;
  readonly bytes: number;
  readonly macs: number;
  readonly limit: OperatorCost["limit"];
}

/** Operators of the prompt's pass, the most expensive first; none where the profile does not charge it. */
export function prefillOperators({ prefill }: GenerationCost): readonly PrefillOperator[] {
  return (prefill?.operators ?? [])
    .map(({ work, seconds, limit }) => ({
      name: work.name,
      seconds,
      bytes: work.blocks * totalBytes(work.traffic),
      macs: work.blocks * work.macs,
      limit,
    }))
    .sort((one, other) => other.seconds - one.seconds);
}

/** How many times as fast a run is, tokens per second of the whole generation. */
export function speedups({ cost, against }: PricedRun): { overFloat: number; overUniform: number } {
  return {
    overFloat: cost.tokensPerSecond / against.float.tokensPerSecond,
    overUniform: cost.tokensPerSecond / against.uniform.tokensPerSecond,
  };
}

/** A run in the `--json` document; documented in docs/cli.md. */
export function runDocument(run: PricedRun, parts: { operators?: boolean; steps?: boolean }): object {
  const { name, kind, trace, cost, against } = run;
  const { overFloat, overUniform } = speedups(run);
  return {
    name,
    kind,
    promptTokens: cost.promptTokens,
    newTokens: cost.newTokens,
    prefillBits: trace.prefill,
    averageBits: cost.averageBits,
    timeToFirstTokenSeconds: cost.prefill === undefined ? null : cost.timeToFirstTokenSeconds,
    decodeSeconds: cost.decodeSeconds,
    seconds: cost.seconds,
    tokensPerSecond: cost.tokensPerSecond,
    decodeTokensPerSecond: cost.decodeTokensPerSecond,
    bytes: cost.bytes,
    bytesPerStep: cost.averageBytesPerStep,
    traffic: cost.traffic,
    macs: cost.macs,
    bandwidthUtilization: cost.bandwidthUtilization,
    energy: cost.energy,
    joulesPerToken: cost.joulesPerToken,
    speedupOverFp16: overFloat,
    speedupOverUniform: overUniform,
    uniformBits: against.bits,
    ...(parts.operators ? { operators: { prefill: prefillOperators(cost), decode: cost.operators } } : {}),
    ...(parts.steps ? { steps: cost.steps.map(({ precision, ...step }) => ({ bits: precision, ...step })) } : {}),
  };
}
