import { type PrecisionDecision, precisionOfBlock } from "@stepdown/core";

/** What a mock model knows when it has to name the next token. */
export interface MockState {
  /** All cached tokens, the newest last. */
  readonly tokens: readonly number[];
  /** Positions that the sequence's first forward pass brought: the prompt. */
  readonly promptTokens: number;
  /** Precision of the forward pass being made. */
  readonly precision: PrecisionDecision;
}

/** How a mock model answers: a function of all it knows, so that two sequences with the same past agree. */
export type MockAnswers = MockScript | MockTable | MockFunction;

/** The k-th generated token is `tokens[k − 1]` whatever the precision; the last one repeats. */
export interface MockScript {
  readonly kind: "script";
  readonly tokens: readonly number[];
}

/**
 * Next token = `next[precision][cached mod period][last token]`; cached counts the positions including the last token,
 * period is `next[precision].length`. A decision per block counts as its first block's precision.
 */
export interface MockTable {
  readonly kind: "table";
  readonly next: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/** Logits computed by a function, `[vocabularySize]`. */
export interface MockFunction {
  readonly kind: "logits";
  logits(state: MockState): ArrayLike<number>;
}

/** Logits of a mock answer, `[vocabularySize]`; scripts and tables give 1 to their token and 0 to all others. */
export function mockLogits(answers: MockAnswers, state: MockState, vocabularySize: number): ArrayLike<number> {
  if (answers.kind === "logits") return answers.logits(state);
  const logits = new Float32Array(vocabularySize);
  logits[answers.kind === "script" ? scriptedToken(answers, state) : tabledToken(answers, state)] = 1;
  return logits;
}

function scriptedToken({ tokens }: MockScript, state: MockState): number {
  const generated = Math.max(0, state.tokens.length - state.promptTokens);
  return tokens[Math.min(generated, tokens.length - 1)]!;
}

function tabledToken({ next }: MockTable, state: MockState): number {
  const periods = next[precisionOfBlock(state.precision, 0)]!;
  return periods[state.tokens.length % periods.length]![state.tokens.at(-1)!]!;
}
