/** Runs one generation, showing tokens as they come, and gathers what `--json` and the summary report. */
import type {
  FinishReason,
  LanguageModel,
  PrecisionDecision,
  PrecisionTrace,
  Scheduler,
  Sequence,
  Tokenizer,
} from "@stepdown/core";
import { averageBits } from "@stepdown/metrics";
import { generate } from "@stepdown/runtime";
import type { GenerationOptions } from "./options/generation.js";
import { samplingOptions } from "./options/generation.js";

/** One generated token. */
export interface ShownToken {
  readonly id: number;
  readonly text: string;
  /** Bits of the forward pass it was drawn from; per block where the scheduler decides per block. */
  readonly bits: PrecisionDecision;
  readonly logProbability?: number;
}

/** What one generation gave. */
export interface GenerationOutcome {
  readonly text: string;
  readonly tokens: readonly ShownToken[];
  readonly prefillBits: PrecisionDecision;
  /** Mean bits of the decode forward passes; prefill's where there was none. */
  readonly averageBits: number;
  /** Mean weight bytes that a decode forward pass read; prefill's cost where there was none. */
  readonly bytesPerToken: number;
  /** Decode forward passes per second. */
  readonly tokensPerSecond: number;
  readonly prefillMilliseconds: number;
  readonly finishReason: FinishReason;
  readonly trace: PrecisionTrace;
}

/** Inputs of {@link runGeneration}. */
export interface GenerationRun {
  readonly model: LanguageModel;
  readonly tokenizer: Tokenizer;
  readonly scheduler: Scheduler;
  readonly prompt: readonly number[];
  readonly options: GenerationOptions;
  readonly sequence?: Sequence;
  readonly compat?: "reference";
  readonly logProbabilities?: boolean;
  /** Called with every piece of text that may be shown. */
  readonly onText?: (text: string, bits: PrecisionDecision) => void;
  readonly signal: AbortSignal;
}

/** Generates and collects. On an abort the signal's reason is thrown. */
export async function runGeneration(run: GenerationRun): Promise<GenerationOutcome> {
  const { model, tokenizer, scheduler, options } = run;
  const tokens: ShownToken[] = [];
  let text = "";
  let prefillMilliseconds = 0;
  const stream = generate({
    model,
    tokenizer,
    scheduler,
    prompt: run.prompt,
    maximumNewTokens: options.maxNewTokens,
    sampling: samplingOptions(options),
    stop: { strings: options.stop },
    ...(run.sequence === undefined ? { cacheType: options.cacheType } : {}),
    sequence: run.sequence,
    compat: run.compat,
    logProbabilities: run.logProbabilities,
    signal: run.signal,
  });
  for await (const part of stream) {
    switch (part.type) {
      case "prefill-finish":
        prefillMilliseconds = part.milliseconds;
        break;
      case "token-generate":
        text += part.text;
        tokens.push({
          id: part.id,
          text: part.text,
          bits: part.precision,
          ...(part.logProbability === undefined ? {} : { logProbability: part.logProbability }),
        });
        run.onText?.(part.text, part.precision);
        break;
      case "generation-finish": {
        text += part.text;
        const last = tokens.at(-1);
        if (part.text !== "" && last !== undefined) run.onText?.(part.text, last.bits);
        return {
          text,
          tokens,
          prefillBits: part.trace.prefill,
          ...figures(model, part.trace, part.decodeMilliseconds),
          prefillMilliseconds,
          finishReason: part.reason,
          trace: part.trace,
        };
      }
    }
  }
  throw new Error("the generation ended without a finish part");
}

function figures(model: LanguageModel, trace: PrecisionTrace, decodeMilliseconds: number) {
  const decisions = trace.decode.length > 0 ? trace.decode : [trace.prefill];
  const bytes = decisions.reduce<number>((sum, decision) => sum + model.cost(decision).bytes, 0);
  return {
    averageBits: averageBits({ ...trace, decode: decisions }).decode as number,
    bytesPerToken: bytes / decisions.length,
    tokensPerSecond: decodeMilliseconds > 0 ? (trace.decode.length * 1000) / decodeMilliseconds : 0,
  };
}
