import {
  ContextExceededError,
  InvalidArgumentError,
  type Precision,
  type PrecisionDecision,
  PrecisionUnavailableError,
} from "@stepdown/core";

/** Throws unless every id is one of the vocabulary. */
export function checkTokens(tokens: readonly number[], vocabularySize: number): void {
  for (const [index, id] of tokens.entries()) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabularySize) {
      throw new InvalidArgumentError(
        `Token ${index} is ${String(id)}; this model knows ids 0 to ${vocabularySize - 1}. Does the tokenizer belong to it?`,
      );
    }
  }
}

/** Throws unless the tokens fit after those cached. */
export function checkRoom(tokens: number, length: number, capacity: number): void {
  if (length + tokens <= capacity) return;
  throw new ContextExceededError(
    `${tokens} tokens after ${length} cached ones do not fit in ${capacity} positions. ` +
      "Shorten the text, truncate the sequence, or create one with more capacity.",
  );
}

/** Throws unless a decision has the model's number of blocks and only precisions that are loaded. */
export function checkPrecision(decision: PrecisionDecision, blocks: number, available: readonly Precision[]): void {
  if (Array.isArray(decision) && decision.length !== blocks) {
    throw new InvalidArgumentError(
      `The decision has ${decision.length} precisions; the model has ${blocks} blocks. Give one precision, or one per block.`,
    );
  }
  for (const precision of Array.isArray(decision) ? (decision as Precision[]) : [decision as Precision]) {
    if (available.includes(precision)) continue;
    throw new PrecisionUnavailableError(
      `Precision ${String(precision)} is not available; loaded are ${available.join(", ")}. Load it, or ask for one of these.`,
    );
  }
}
