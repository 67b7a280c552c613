import {
  InvalidArgumentError,
  MAXIMUM_NESTED_PRECISION,
  PrecisionUnavailableError,
  type SamplingOptions,
  UnsupportedError,
} from "@stepdown/core";
import { type CompleteSamplingOptions, checkSamplingOptions } from "../sampling/check-sampling-options.js";
import { DEFAULT_MAXIMUM_NEW_TOKENS, type GenerateOptions } from "./generate-options.js";

/** Most alternatives reported per token: more is a mistake or an attack on memory. */
const MAXIMUM_TOP_LOG_PROBABILITIES = 1000;

/** Tokens after which the published code's loop for float models ends whatever its limit. */
const REFERENCE_FLOAT_TOKENS = 256;

/** {@link GenerateOptions} checked, with defaults filled in. */
export interface GenerationRequest extends GenerateOptions {
  /** As asked. */
  readonly maximumNewTokens: number;
  /** Tokens after which the loop ends; the context may bound it further. */
  readonly tokenLimit: number;
  readonly sampling: SamplingOptions;
  readonly stopIds: ReadonlySet<number>;
  readonly stopStrings: readonly string[];
  /** Alternatives per token, or `undefined` when no log probabilities are wanted. */
  readonly topLogProbabilities: number | undefined;
}

/** Checks everything that can be checked before a model runs. */
export function checkGenerateOptions(options: GenerateOptions): GenerationRequest {
  const { model, scheduler, prompt, tokenizer, sequence, cacheType, compat } = options;
  if (prompt.length === 0) {
    throw new InvalidArgumentError("The prompt is empty: a generation needs at least one token to start from.");
  }
  if (scheduler.specificationVersion !== "v1") {
    throw new UnsupportedError(
      `Scheduler ${scheduler.name} implements specification ${String(scheduler.specificationVersion)}; this runtime speaks v1.`,
    );
  }
  for (const precision of scheduler.precisions) {
    if (!model.precisions.includes(precision)) {
      throw new PrecisionUnavailableError(
        `Scheduler ${scheduler.name} may choose ${precision} bits; the model has loaded ${model.precisions.join(", ")}. ` +
          "Load that precision or choose another schedule.",
      );
    }
  }
  if (sequence !== undefined && cacheType !== undefined) {
    throw new InvalidArgumentError("cacheType belongs to a new sequence; the given sequence already has a cache.");
  }
  if (compat !== undefined && compat !== "reference") {
    throw new InvalidArgumentError(`compat is ${JSON.stringify(compat)}; allowed: "reference", or nothing.`);
  }
  const stopStrings = options.stop?.strings ?? [];
  if (stopStrings.length > 0 && tokenizer === undefined) {
    throw new InvalidArgumentError("Stop strings need a tokenizer: pass tokenizer, or use stop.ids.");
  }
  if (stopStrings.includes("")) throw new InvalidArgumentError("A stop string is empty; leave it out.");

  const stopIds = options.stop?.ids ?? [...model.description.endOfSequenceIds, ...(tokenizer?.endOfSequenceIds ?? [])];
  const sampling = checkSamplingOptions(options.sampling);
  if (compat === "reference" && !isPlainGreedy(sampling)) {
    throw new InvalidArgumentError("compat: reference is greedy; leave temperature, penalties and logitBias out.");
  }
  return {
    ...options,
    sampling,
    ...limitsOf(options),
    stopIds: new Set(compat === "reference" ? stopIds.slice(0, 1) : stopIds),
    stopStrings,
    topLogProbabilities: alternativesOf(options.logProbabilities),
  };
}

function isPlainGreedy(sampling: CompleteSamplingOptions): boolean {
  const { temperature, repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = sampling;
  const isPenalized = repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
  return temperature === 0 && !isPenalized && logitBias.size === 0;
}

function limitsOf(options: GenerateOptions): Pick<GenerationRequest, "maximumNewTokens" | "tokenLimit"> {
  const maximumNewTokens = options.maximumNewTokens ?? DEFAULT_MAXIMUM_NEW_TOKENS;
  if (!Number.isInteger(maximumNewTokens) || maximumNewTokens < 1) {
    throw new InvalidArgumentError(`maximumNewTokens is ${maximumNewTokens}; allowed: an integer of 1 or more.`);
  }
  if (options.compat !== "reference") return { maximumNewTokens, tokenLimit: maximumNewTokens };
  const float = options.model.precisions.every((precision) => precision > MAXIMUM_NESTED_PRECISION);
  return { maximumNewTokens, tokenLimit: Math.min(maximumNewTokens + 1, float ? REFERENCE_FLOAT_TOKENS : Infinity) };
}

function alternativesOf(logProbabilities: boolean | number | undefined): number | undefined {
  if (logProbabilities === undefined || logProbabilities === false) return undefined;
  if (logProbabilities === true) return 0;
  if (!Number.isInteger(logProbabilities) || logProbabilities < 0 || logProbabilities > MAXIMUM_TOP_LOG_PROBABILITIES) {
    throw new InvalidArgumentError(
      `logProbabilities is ${logProbabilities}; allowed: true, false, or an integer from 0 to ${MAXIMUM_TOP_LOG_PROBABILITIES}.`,
    );
  }
  return logProbabilities;
}
