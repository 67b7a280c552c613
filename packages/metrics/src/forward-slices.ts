import type { PrecisionDecision, Sequence } from "@stepdown/core";

/** Options of {@link forwardSlices}. */
export interface ForwardSlicesOptions {
  readonly precision: PrecisionDecision;
  readonly tokensPerForward: number;
  readonly signal?: AbortSignal;
}

/** Logits of some consecutive positions of a chunk. */
export interface LogitsSlice {
  /** `[targets.length][vocabulary]`. */
  readonly logits: Float32Array;
  /** The token that each position predicts. */
  readonly targets: readonly number[];
  /** First position, counted from the chunk's beginning. */
  readonly position: number;
}

/**
 * Logits of a chunk of tokens, slice by slice, from the sequence's present end on. The chunk's last token is a target only
 * and never forwarded.
 */
export async function* forwardSlices(
  sequence: Sequence,
  tokens: readonly number[],
  { precision, tokensPerForward, signal }: ForwardSlicesOptions,
): AsyncGenerator<LogitsSlice> {
  const targets = tokens.length - 1;
  for (let from = 0; from < targets; from += tokensPerForward) {
    signal?.throwIfAborted();
    const to = Math.min(from + tokensPerForward, targets);
    const wait = signal === undefined ? {} : { signal };
    const { logits } = await sequence.forward(tokens.slice(from, to), { precision, logits: "all", ...wait });
    yield { logits, targets: tokens.slice(from + 1, to + 1), position: from };
  }
}
