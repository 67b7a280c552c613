import type { KeyValues } from "./kernel-set.js";
import type { Precision, PrecisionDecision } from "./precision.js";

/**
 * Chooses the precision of every forward pass of a generation.
 *
 * A scheduler is stateless and may serve many sequences at once; what belongs to one sequence lives in the
 * {@link ScheduledSequence} that {@link Scheduler.start} returns. It sees outcomes, never the model: prefill's result,
 * then before each decode step the step's index, its own last decision and the features it asked for.
 */
export interface Scheduler {
  readonly specificationVersion: "v1";
  /** Short name for people and reports: "static". */
  readonly name: string;
  /** Every precision a decision may contain, in any order; the model must offer all of them. */
  readonly precisions: readonly Precision[];
  /** Features that cost something and are computed only when asked for here. Default: none. */
  readonly features?: SchedulerFeatures;
  /** Begins one sequence. */
  start(request: ScheduleRequest): ScheduledSequence;
}

/** Which costly inputs a scheduler wants; everything defaults to `false`. */
export interface SchedulerFeatures {
  /** Keys and values of the last block after prefill, and at each step through {@link DecodeStep.lastBlock}. */
  readonly lastBlockKeyValues?: boolean;
  /** Statistics of the newest logits: after prefill and at each step. */
  readonly logitStatistics?: boolean;
  /** Measured step times, in {@link DecodeStep.telemetry}. */
  readonly telemetry?: boolean;
}

/** What is known before prefill. */
export interface ScheduleRequest {
  /** Tokens in the prompt, T. */
  readonly promptTokens: number;
  /** Most tokens that will be generated. */
  readonly maximumNewTokens: number;
  /** Decoder blocks of the model, the length of a per-block decision. */
  readonly blocks: number;
  /** Precisions the model offers, ascending. */
  readonly available: readonly Precision[];
}

/** One sequence's schedule. Calls come in order: `prefill` is read, `observePrefill` once, then `decide` per step. */
export interface ScheduledSequence {
  /** Precision of the prompt's forward passes. */
  readonly prefill: PrecisionDecision;
  /** Told the outcome of prefill, before the first {@link ScheduledSequence.decide}. */
  observePrefill?(outcome: PrefillOutcome): void | Promise<void>;
  /** Precision of the next decode forward pass. */
  decide(step: DecodeStep): PrecisionDecision | Promise<PrecisionDecision>;
}

/** What prefill gave. */
export interface PrefillOutcome {
  readonly promptTokens: number;
  /** Present when asked for: keys and values of the last block, all prompt positions. Copies, safe to keep. */
  readonly lastBlock?: KeyValues;
  /** Present when asked for: statistics of the last position's logits. */
  readonly logits?: LogitStatistics;
}

/** What is known before one decode forward pass. */
export interface DecodeStep {
  /** Decode forward passes made so far, 0-based: before the first one it is 0. */
  readonly index: number;
  /** The scheduler's own decision for the previous decode forward pass; `undefined` at index 0. */
  readonly previous: PrecisionDecision | undefined;
  /** Present when asked for: statistics of the newest logits, those the token to be forwarded was drawn from. */
  readonly logits?: LogitStatistics;
  /** Present when asked for: reads keys and values of the last block, all positions cached so far. */
  readonly lastBlock?: () => Promise<KeyValues>;
  /** Present when asked for. */
  readonly telemetry?: StepTelemetry;
}

/** Summary of one softmax distribution, natural logarithms. */
export interface LogitStatistics {
  /** Largest probability. */
  readonly maximumProbability: number;
  /** Largest minus second largest probability. */
  readonly margin: number;
  /** Shannon entropy in nats. */
  readonly entropy: number;
}

/** Measurements of the previous decode forward pass. */
export interface StepTelemetry {
  /** Wall-clock milliseconds. */
  readonly stepMilliseconds: number;
}
