import type { Tokenizer } from "@stepdown/core";
import { createStopStringFilter } from "./stop-string-filter.js";

/** Text of a generation: ids in, showable text out, stop strings watched for. */
export interface TextStream {
  /** The text that may be shown now that this id is known. */
  push(id: number): string;
  /** The text held back until the end. */
  end(): string;
  /** Whether a stop string has been found. */
  readonly stopped: boolean;
}

/** A stream for one generation; without a tokenizer it has no text. Special tokens are not shown. */
export function createTextStream(tokenizer: Tokenizer | undefined, stopStrings: readonly string[]): TextStream {
  const decoder = tokenizer?.createStreamingDecoder({ skipSpecialTokens: true });
  const filter = createStopStringFilter(stopStrings);
  return {
    push: (id) => (decoder === undefined ? "" : filter.push(decoder.push(id))),
    end: () => (decoder === undefined ? "" : filter.push(decoder.end()) + filter.end()),
    get stopped() {
      return filter.stopped;
    },
  };
}
