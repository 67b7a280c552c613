import type { FinishReason, GenerationFinishPart, PrecisionTrace, TokenGeneratePart } from "@stepdown/core";
import { generate } from "./generate.js";
import type { GenerateOptions } from "./generate-options.js";

/** A finished generation. */
export interface GeneratedText {
  /** All text that was shown; empty without a tokenizer. */
  readonly text: string;
  /** Generated ids, an end token included. */
  readonly ids: readonly number[];
  /** The parts of the tokens, with precisions and log probabilities. */
  readonly tokens: readonly TokenGeneratePart[];
  readonly finishReason: FinishReason;
  readonly trace: PrecisionTrace;
  /** Wall-clock milliseconds of the prompt. */
  readonly prefillMilliseconds: number;
  /** Wall-clock milliseconds from the end of prefill to the last token. */
  readonly decodeMilliseconds: number;
}

/** Runs `generate` to its end and collects its parts. */
export async function generateText(options: GenerateOptions): Promise<GeneratedText> {
  let text = "";
  let prefillMilliseconds = 0;
  const tokens: TokenGeneratePart[] = [];
  let finish: GenerationFinishPart | undefined;
  for await (const part of generate(options)) {
    if (part.type === "prefill-finish") {
      prefillMilliseconds = part.milliseconds;
    } else {
      text += part.text;
      if (part.type === "token-generate") tokens.push(part);
      else finish = part;
    }
  }
  // A stream that does not throw ends with its finish part.
  const { reason, trace, decodeMilliseconds } = finish as GenerationFinishPart;
  return {
    text,
    ids: tokens.map((token) => token.id),
    tokens,
    finishReason: reason,
    trace,
    prefillMilliseconds,
    decodeMilliseconds,
  };
}
