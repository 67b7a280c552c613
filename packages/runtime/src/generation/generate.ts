/**
 * The generation loop: prefill, then token after token until an end token, a stop string or the limit. The scheduler is
 * asked before every decode forward pass, every pass is recorded in the trace, and the last token is not forwarded.
 *
 * The loop of the published code is the same one with four differences, all behind `request.compat` (PMPD reference
 * implementation; see `GenerateOptions.compat`).
 */
import {
  ContextExceededError,
  type DecodeStep,
  type FinishReason,
  type GenerationPart,
  type LanguageModel,
  type PrecisionDecision,
  type PrefillOutcome,
  type Sequence,
  type TokenGeneratePart,
} from "@stepdown/core";
import { yieldToEventLoop } from "../common/yield-to-event-loop.js";
import { createSampler } from "../sampling/create-sampler.js";
import { computeLogitStatistics, logSumExp, topLogProbabilities } from "../sampling/log-probabilities.js";
import { checkDecision } from "./check-decision.js";
import type { GenerateOptions } from "./generate-options.js";
import { checkGenerateOptions, type GenerationRequest } from "./generation-request.js";
import { createTextStream } from "./text-stream.js";

/**
 * Generates tokens as a stream of parts. Bad options throw at once; memory is taken at the first `next()` and given back
 * when the stream ends, fails, is aborted or is left early.
 */
export function generate(options: GenerateOptions): AsyncGenerator<GenerationPart, void, undefined> {
  return run(checkGenerateOptions(options));
}

async function* run(request: GenerationRequest): AsyncGenerator<GenerationPart, void, undefined> {
  const { model, prompt, signal } = request;
  signal?.throwIfAborted();
  const cached = request.sequence?.length ?? 0;
  const capacity = request.sequence?.capacity ?? model.description.contextLength;
  // The last token needs no position, except in the published loop, which forwards it.
  const unforwarded = request.compat === "reference" ? 0 : 1;
  const limit = Math.min(request.tokenLimit, capacity - cached - prompt.length + unforwarded);
  if (limit < 1) {
    throw new ContextExceededError(
      `A prompt of ${prompt.length} tokens after ${cached} cached ones leaves no room to generate in ${capacity} positions. ` +
        "Shorten the prompt or truncate the sequence.",
    );
  }
  const sequence =
    request.sequence ??
    (await model.createSequence({ capacity: prompt.length + limit - unforwarded, cacheType: request.cacheType }));
  try {
    yield* loop(request, sequence, limit);
  } finally {
    if (request.sequence === undefined) await sequence[Symbol.asyncDispose]();
  }
}

async function* loop(
  request: GenerationRequest,
  sequence: Sequence,
  limit: number,
): AsyncGenerator<GenerationPart, void, undefined> {
  const { model, scheduler, prompt, signal, onProgress } = request;
  const reference = request.compat === "reference";
  const blocks = model.description.blocks;
  const features = scheduler.features ?? {};
  const lastBlock = () => sequence.readKeyValues(blocks - 1);
  const schedule = scheduler.start({
    promptTokens: prompt.length,
    maximumNewTokens: Math.min(request.maximumNewTokens, limit),
    blocks,
    available: model.precisions,
  });

  const prefill =
    request.prefillPrecision ??
    (reference ? highest(model.precisions) : checkDecision(schedule.prefill, scheduler, blocks, "for the prompt"));
  const prefillStart = performance.now();
  let { logits } = await sequence.forward(prompt, { precision: prefill, signal, onProgress });
  const decodeStart = performance.now();
  yield {
    type: "prefill-finish",
    promptTokens: prompt.length,
    precision: prefill,
    milliseconds: decodeStart - prefillStart,
  };
  if (schedule.observePrefill !== undefined) {
    const outcome: PrefillOutcome = {
      promptTokens: prompt.length,
      ...(features.lastBlockKeyValues ? { lastBlock: await lastBlock() } : {}),
      ...(features.logitStatistics ? { logits: computeLogitStatistics(logits) } : {}),
    };
    await schedule.observePrefill(outcome);
  }

  const sampler = createSampler(request.sampling, { prompt });
  const text = createTextStream(request.tokenizer, request.stopStrings);
  const decode: PrecisionDecision[] = [];
  let drawnFrom = prefill;
  let stepMilliseconds: number | undefined;
  let reason: FinishReason | undefined;

  for (let index = 0; reason === undefined; index++) {
    const id = sampler.sample(logits);
    const ended = request.stopIds.has(id);
    const piece = ended ? "" : text.push(id);
    if (ended) reason = "end-of-sequence";
    else if (text.stopped) reason = "stop-string";
    else if (index + 1 >= limit) reason = "length";
    yield tokenPart(id, index, drawnFrom, piece, logits, request.topLogProbabilities);
    const done = index + 1;
    onProgress?.({ phase: "generating", done, total: reason === undefined ? limit : done, unit: "tokens" });
    if (reason !== undefined && !reference) break;

    await yieldToEventLoop();
    signal?.throwIfAborted();
    let decision: PrecisionDecision;
    if (reference && index === 0) {
      decision = highest(scheduler.precisions);
    } else {
      const step: DecodeStep = {
        index,
        previous: decode.at(-1),
        ...(features.logitStatistics ? { logits: computeLogitStatistics(logits) } : {}),
        ...(features.lastBlockKeyValues ? { lastBlock } : {}),
        ...(features.telemetry && stepMilliseconds !== undefined ? { telemetry: { stepMilliseconds } } : {}),
      };
      decision = checkDecision(await schedule.decide(step), scheduler, blocks, `before decode step ${index}`);
    }
    const stepStart = performance.now();
    ({ logits } = await sequence.forward([id], { precision: decision, signal }));
    stepMilliseconds = performance.now() - stepStart;
    decode.push(decision);
    drawnFrom = decision;
  }

  const decodeMilliseconds = performance.now() - decodeStart;
  const rest = text.end();
  yield {
    type: "generation-finish",
    reason: text.stopped ? "stop-string" : (reason as FinishReason),
    text: rest,
    trace: { promptTokens: prompt.length, prefill, decode },
    decodeMilliseconds,
  };
}

function tokenPart(
  id: number,
  index: number,
  precision: PrecisionDecision,
  text: string,
  logits: Float32Array,
  alternatives: number | undefined,
): TokenGeneratePart {
  const part = { type: "token-generate", id, index, precision, text } as const;
  if (alternatives === undefined) return part;
  const logProbability = (logits[id] as number) - logSumExp(logits);
  if (alternatives === 0) return { ...part, logProbability };
  return { ...part, logProbability, topLogProbabilities: topLogProbabilities(logits, alternatives) };
}

function highest(precisions: LanguageModel["precisions"]): number {
  return Math.max(...precisions);
}
