import type { PrecisionDecision } from "./precision.js";

/** How the next token is drawn from logits. Every member has a default that leaves the distribution alone, except `temperature`. */
export interface SamplingOptions {
  /** 0 takes the most likely token (greedy, the default); otherwise logits are divided by it. */
  readonly temperature?: number;
  /** Keep the k most likely tokens. Default: all. */
  readonly topK?: number;
  /** Keep the smallest set whose probabilities reach p, 0 < p ≤ 1. Default 1: all. */
  readonly topP?: number;
  /** Keep tokens at least this fraction as likely as the most likely one, 0 … 1. Default 0: all. */
  readonly minP?: number;
  /** Divide positive and multiply negative logits of tokens seen in prompt or answer by this, > 0. Default 1. */
  readonly repetitionPenalty?: number;
  /** Subtract this once from logits of tokens generated so far. Default 0. */
  readonly presencePenalty?: number;
  /** Subtract this times the count from logits of tokens generated so far. Default 0. */
  readonly frequencyPenalty?: number;
  /** Added to logits, by token id; −Infinity forbids. Default: none. */
  readonly logitBias?: ReadonlyMap<number, number>;
  /** Seed of the random numbers, an unsigned 32-bit integer. Same seed, same logits: same tokens. Default 0. */
  readonly seed?: number;
}

/** Why a generation ended: an end token, a stop string, or the token limit. */
export type FinishReason = "end-of-sequence" | "stop-string" | "length";

/** One part of a generation's stream; named noun-then-action. */
export type GenerationPart = PrefillFinishPart | TokenGeneratePart | GenerationFinishPart;

/** The prompt is in the cache. */
export interface PrefillFinishPart {
  readonly type: "prefill-finish";
  readonly promptTokens: number;
  readonly precision: PrecisionDecision;
  /** Wall-clock milliseconds. */
  readonly milliseconds: number;
}

/** One new token. */
export interface TokenGeneratePart {
  readonly type: "token-generate";
  readonly id: number;
  /** 0 for the first generated token. */
  readonly index: number;
  /** Precision of the forward pass whose logits it was drawn from; the first token's is prefill's. */
  readonly precision: PrecisionDecision;
  /** Text that may be shown now; may be empty while a character or a possible stop string is unfinished. Without a tokenizer always empty. */
  readonly text: string;
  /** Natural log probability under the model's own distribution (before sampling options). Present when asked for. */
  readonly logProbability?: number;
  /** The most likely tokens, best first. Present when asked for. */
  readonly topLogProbabilities?: readonly TokenLogProbability[];
}

/** A token with its natural log probability. */
export interface TokenLogProbability {
  readonly id: number;
  readonly logProbability: number;
}

/** The end of a generation. */
export interface GenerationFinishPart {
  readonly type: "generation-finish";
  readonly reason: FinishReason;
  /** Text that was held back until now. */
  readonly text: string;
  readonly trace: PrecisionTrace;
  /** Milliseconds from the end of prefill to the last token. */
  readonly decodeMilliseconds: number;
}

/** Which precision every forward pass of a generation used: the input of averages and of the NPU model. */
export interface PrecisionTrace {
  /** Tokens forwarded in prefill. */
  readonly promptTokens: number;
  readonly prefill: PrecisionDecision;
  /** One entry per decode forward pass, in order. */
  readonly decode: readonly PrecisionDecision[];
}
