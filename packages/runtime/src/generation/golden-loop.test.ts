import { readFileSync } from "node:fs";
import type { PrecisionDecision, Scheduler } from "@stepdown/core";
import { createStaticScheduler } from "@stepdown/schedulers";
import { goldenPath, skipReason } from "@stepdown/test-support";
import { createMockLanguageModel, type MockAnswers } from "@stepdown/testing";
import { describe, expect, it } from "vitest";
import { generateText } from "./generate-text.js";

/** One case of the reference loop; `corrected` is what a loop without its faults gives. */
interface LoopCase {
  readonly name: string;
  readonly prompt: number[];
  readonly eosIds: number[];
  readonly loaded: number[];
  readonly precisions: number[];
  readonly highSteps: number;
  readonly maxNew?: number;
  readonly maxLength?: number;
  readonly prefill?: number;
  readonly model: MockAnswers;
  readonly reference: LoopResult & { readonly n: number; readonly log: Readonly<Record<string, number>> };
  readonly corrected: LoopResult;
}

interface LoopResult {
  readonly generated: number[];
  readonly prefill: number;
  /** Run lengths: [precision, times]. */
  readonly decode: [number, number][];
}

interface FloatCase {
  readonly prompt: number[];
  readonly eosIds: number[];
  readonly maxNew: number;
  readonly model: MockAnswers;
  readonly reference: {
    readonly n: number;
    readonly log: Readonly<Record<string, number>>;
    readonly forwards: number;
    readonly stoppedByEos: boolean;
  };
}

const path = goldenPath("schedulers", "loop", "loop.json");
const golden = path === undefined ? undefined : readLoops(path);

describe.skipIf(golden === undefined)(
  golden === undefined ? skipReason("loops of the published code") : "a loop",
  () => {
    const vocabularySize = golden?.vocabulary ?? 0;

    it.each(golden?.cases ?? [])("as it should be: $name", async (loop) => {
      const { model, options } = setUp(loop, vocabularySize);
      // Where the prompt's precision is not set, the published code takes the highest that is loaded; ours asks the scheduler.
      const prefillPrecision = loop.prefill ?? Math.max(...loop.loaded);
      const { ids, trace, finishReason } = await generateText({ ...options, prefillPrecision });
      expect({ ids, trace }).toEqual({ ids: loop.corrected.generated, trace: traceOf(loop, loop.corrected) });
      expect(finishReason).toBe(loop.eosIds.includes(ids.at(-1)!) ? "end-of-sequence" : "length");
      // Every forward pass is in the trace, and nothing else was forwarded.
      expect(model.forwards.map(({ precision }) => precision)).toEqual([trace.prefill, ...trace.decode]);
      expect(model.forwards.slice(1).flatMap(({ tokens }) => tokens)).toEqual(ids.slice(0, -1));
    });

    it.each(golden?.cases ?? [])("as published: $name", async (loop) => {
      const { model, options } = setUp(loop, vocabularySize);
      const { ids, trace } = await generateText({
        ...options,
        compat: "reference",
        ...(loop.prefill === undefined ? {} : { prefillPrecision: loop.prefill }),
      });
      expect({ ids, trace }).toEqual({ ids: loop.reference.generated, trace: traceOf(loop, loop.reference) });
      expect(ids).toHaveLength(loop.reference.n);
      expect(countsOf(trace.decode.slice(1))).toEqual(loop.reference.log);
      expect(model.forwards.slice(1).flatMap(({ tokens }) => tokens)).toEqual(ids);
    });

    it.each(golden?.fp16 ?? [])("as published for float models: limit $maxNew, %#", async (loop) => {
      const model = createMockLanguageModel({
        answers: loop.model,
        precisions: [16],
        vocabularySize,
        endOfSequenceIds: loop.eosIds,
      });
      const scheduler = staticScheduler([16], 0);
      const options = { model, scheduler, prompt: loop.prompt, maximumNewTokens: loop.maxNew };
      const { ids, trace, finishReason } = await generateText({ ...options, compat: "reference" });
      expect(ids).toHaveLength(loop.reference.n);
      expect(countsOf(trace.decode)).toEqual(loop.reference.log);
      expect(model.forwards).toHaveLength(loop.reference.forwards);
      expect(finishReason === "end-of-sequence").toBe(loop.reference.stoppedByEos);
    });
  },
);

function setUp(loop: LoopCase, vocabularySize: number) {
  const model = createMockLanguageModel({
    answers: loop.model,
    precisions: loop.loaded,
    vocabularySize,
    endOfSequenceIds: loop.eosIds,
  });
  const scheduler = staticScheduler(loop.precisions, loop.highSteps);
  const limit = loop.maxNew ?? (loop.maxLength === undefined ? undefined : loop.maxLength - loop.prompt.length);
  const limits = limit === undefined ? {} : { maximumNewTokens: limit };
  return { model, options: { model, scheduler, prompt: loop.prompt, ...limits } };
}

function traceOf(loop: LoopCase, result: LoopResult) {
  const decode = result.decode.flatMap(([precision, times]) => new Array<number>(times).fill(precision));
  return { promptTokens: loop.prompt.length, prefill: result.prefill, decode };
}

function countsOf(decode: readonly PrecisionDecision[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const precision of decode) counts[String(precision)] = (counts[String(precision)] ?? 0) + 1;
  return counts;
}

/** The highest precision for H decode forward passes, then the lowest. */
function staticScheduler(precisions: readonly number[], highSteps: number): Scheduler {
  const [high, low] = [Math.max(...precisions), Math.min(...precisions)];
  const steps = [{ precision: high, from: 0 }];
  return createStaticScheduler({ steps: low === high ? steps : [...steps, { precision: low, from: highSteps }] });
}

function readLoops(file: string): { vocabulary: number; cases: LoopCase[]; fp16: FloatCase[] } {
  return JSON.parse(readFileSync(file, "utf8")) as { vocabulary: number; cases: LoopCase[]; fp16: FloatCase[] };
}
