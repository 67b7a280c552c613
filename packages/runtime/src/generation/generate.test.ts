import {
  ContextExceededError,
  type DecodeStep,
  type GenerationPart,
  InvalidArgumentError,
  InvalidScheduleError,
  type PrecisionDecision,
  PrecisionUnavailableError,
  type PrefillOutcome,
  type ScheduleRequest,
  type Scheduler,
  type SchedulerFeatures,
} from "@stepdown/core";
import { createMockLanguageModel, createMockTokenizer } from "@stepdown/testing";
import { describe, expect, it } from "vitest";
import { generate } from "./generate.js";
import { generateText } from "./generate-text.js";

/** A scheduler that decides as told and keeps what it was shown. */
function recordingScheduler(
  decide: (step: DecodeStep) => PrecisionDecision = () => 4,
  features?: SchedulerFeatures,
): Scheduler & { requests: ScheduleRequest[]; outcomes: PrefillOutcome[]; steps: DecodeStep[] } {
  const requests: ScheduleRequest[] = [];
  const outcomes: PrefillOutcome[] = [];
  const steps: DecodeStep[] = [];
  return {
    specificationVersion: "v1",
    name: "recording",
    precisions: [3, 4],
    ...(features === undefined ? {} : { features }),
    requests,
    outcomes,
    steps,
    start(request) {
      requests.push(request);
      return {
        prefill: 4,
        observePrefill(outcome) {
          outcomes.push(outcome);
        },
        decide(step) {
          steps.push(step);
          return decide(step);
        },
      };
    },
  };
}

function scripted(tokens: readonly number[], options: { endOfSequenceIds?: number[]; contextLength?: number } = {}) {
  return createMockLanguageModel({ answers: { kind: "script", tokens }, precisions: [3, 4], ...options });
}

const textTokens = (text: string): number[] => [...new TextEncoder().encode(text)];

async function partsOf(stream: AsyncIterable<GenerationPart>): Promise<GenerationPart[]> {
  const parts: GenerationPart[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

describe("the generation loop", () => {
  it("streams prefill, tokens and finish, and records every forward pass but forwards no last token", async () => {
    const model = scripted([10, 11, 12]);
    const scheduler = recordingScheduler(({ index }) => (index < 1 ? 4 : 3));
    const parts = await partsOf(generate({ model, scheduler, prompt: [1, 2], maximumNewTokens: 3 }));
    expect(parts).toMatchObject([
      { type: "prefill-finish", promptTokens: 2, precision: 4 },
      { type: "token-generate", id: 10, index: 0, precision: 4, text: "" },
      { type: "token-generate", id: 11, index: 1, precision: 4 },
      { type: "token-generate", id: 12, index: 2, precision: 3 },
      { type: "generation-finish", reason: "length", trace: { promptTokens: 2, prefill: 4, decode: [4, 3] } },
    ]);
    expect(model.forwards.map(({ tokens }) => tokens)).toEqual([[1, 2], [10], [11]]);
    expect(model.openSequences).toBe(0);
    expect(scheduler.requests).toEqual([{ promptTokens: 2, maximumNewTokens: 3, blocks: 2, available: [3, 4] }]);
  });

  it("ends at any of several end ids, but not at one in the prompt", async () => {
    const model = scripted([10, 8, 12], { endOfSequenceIds: [7, 8] });
    const { ids, finishReason } = await generateText({ model, scheduler: recordingScheduler(), prompt: [7, 8] });
    expect({ ids, finishReason }).toEqual({ ids: [10, 8], finishReason: "end-of-sequence" });
    const own = { model, scheduler: recordingScheduler(), prompt: [1], maximumNewTokens: 5, stop: { ids: [12] } };
    expect((await generateText(own)).ids).toEqual([10, 8, 12]);
  });

  it("is bounded by the context and refuses a prompt that fills it", async () => {
    const model = scripted([10], { contextLength: 6 });
    const { ids, finishReason } = await generateText({ model, scheduler: recordingScheduler(), prompt: [1, 2, 3] });
    // Three positions are left; the last token needs none.
    expect({ count: ids.length, finishReason }).toEqual({ count: 4, finishReason: "length" });
    const long = generateText({ model, scheduler: recordingScheduler(), prompt: [1, 2, 3, 4, 5, 6, 7] });
    await expect(long).rejects.toBeInstanceOf(ContextExceededError);
  });

  it("continues a sequence from its cache and leaves it to its owner", async () => {
    const model = scripted([10, 11, 12, 13]);
    const sequence = await model.createSequence();
    const first = await generateText({
      model,
      scheduler: recordingScheduler(),
      prompt: [1],
      maximumNewTokens: 2,
      sequence,
    });
    const next = [first.ids.at(-1)!, 5];
    await generateText({ model, scheduler: recordingScheduler(), prompt: next, maximumNewTokens: 2, sequence });
    expect(model.forwards.map(({ position, tokens }) => [position, tokens])).toEqual([
      [0, [1]],
      [1, [10]],
      [2, [11, 5]],
      [4, [13]],
    ]);
    expect(model.openSequences).toBe(1);
  });

  it("gives a scheduler only the features it asked for", async () => {
    const model = scripted([10, 11, 12]);
    const plain = recordingScheduler();
    await generateText({ model, scheduler: plain, prompt: [1, 2], maximumNewTokens: 3 });
    expect(plain.outcomes).toEqual([{ promptTokens: 2 }]);
    expect(plain.steps).toEqual([
      { index: 0, previous: undefined },
      { index: 1, previous: 4 },
    ]);

    const positions: number[] = [];
    const all = { lastBlockKeyValues: true, logitStatistics: true, telemetry: true };
    const curious = recordingScheduler(() => 3, all);
    const start = curious.start.bind(curious);
    curious.start = (request) => {
      const inner = start(request);
      return {
        ...inner,
        async decide(step) {
          positions.push((await step.lastBlock!()).positions);
          return inner.decide(step);
        },
      };
    };
    await generateText({ model, scheduler: curious, prompt: [1, 2], maximumNewTokens: 3 });
    expect(curious.outcomes[0]?.lastBlock?.positions).toBe(2);
    expect(curious.outcomes[0]?.logits?.maximumProbability).toBeGreaterThan(0);
    expect(positions).toEqual([2, 3]);
    expect(curious.steps.map(({ telemetry }) => telemetry !== undefined)).toEqual([false, true]);
    expect(curious.steps.every(({ logits }) => logits !== undefined)).toBe(true);
  });

  it("reports log probabilities of the model's own distribution whatever the sampling", async () => {
    const logits = Float32Array.from({ length: 258 }, (_, id) => -id);
    const model = createMockLanguageModel({ answers: { kind: "logits", logits: () => logits }, precisions: [3, 4] });
    const sampling = { logitBias: new Map([[2, 100]]) };
    const options = { model, scheduler: recordingScheduler(), prompt: [1], maximumNewTokens: 1, sampling };
    const normalizer = Math.log(1 / (1 - Math.exp(-1)));
    const { tokens } = await generateText({ ...options, logProbabilities: 2 });
    expect(tokens[0]?.id).toBe(2);
    expect(tokens[0]?.logProbability).toBeCloseTo(-2 - normalizer, 9);
    expect(tokens[0]?.topLogProbabilities?.map(({ id }) => id)).toEqual([0, 1]);
    const without = await generateText(options);
    expect(without.tokens[0]).not.toHaveProperty("logProbability");
    const own = await generateText({ ...options, logProbabilities: true });
    expect(own.tokens[0]).not.toHaveProperty("topLogProbabilities");
  });
});

describe("text of a generation", () => {
  const tokenizer = createMockTokenizer();
  const run = (text: string, strings: readonly string[], ended = false) => {
    const model = scripted([...textTokens(text), 257]);
    const prompt = tokenizer.encode("p");
    const maximumNewTokens = textTokens(text).length + (ended ? 1 : 0);
    return { model, tokenizer, scheduler: recordingScheduler(), prompt, maximumNewTokens, stop: { strings } };
  };

  it("holds back what may become a stop string and never shows one", async () => {
    const parts = await partsOf(generate(run("may stopped", ["stopping", "stopped"])));
    const shown = parts.flatMap((part) => (part.type === "token-generate" ? [part.text] : []));
    expect(shown).toEqual(["m", "a", "y", " ", "", "", "", "", "", "", ""]);
    expect(parts.at(-1)).toMatchObject({ reason: "stop-string", text: "" });
  });

  it("shows held-back text when the stop string does not come", async () => {
    const { text, finishReason } = await generateText(run("say sto", ["stop"], true));
    expect({ text, finishReason }).toEqual({ text: "say sto", finishReason: "end-of-sequence" });
  });

  it("ends at a stop string before the limit and leaves no tokens after it", async () => {
    const { text, ids, finishReason } = await generateText(run("one\ntwo", ["\n"]));
    expect({ text, finishReason, tokens: ids.length }).toEqual({ text: "one", finishReason: "stop-string", tokens: 4 });
  });

  it("never shows half a character", async () => {
    const parts = await partsOf(generate(run("ü€😀", [])));
    const shown = parts.flatMap((part) => (part.type === "prefill-finish" ? [] : [part.text]));
    expect(shown.filter((text) => text !== "")).toEqual(["ü", "€", "😀"]);
  });
});

describe("a generation that ends early", () => {
  it("disposes of its sequence when the stream is left", async () => {
    const model = scripted([10]);
    for await (const part of generate({ model, scheduler: recordingScheduler(), prompt: [1] })) {
      if (part.type === "token-generate" && part.index === 2) break;
    }
    expect(model.openSequences).toBe(0);
    expect(model.forwards).toHaveLength(3);
  });

  it("stops within one forward pass of an abort and disposes of its sequence", async () => {
    const model = scripted([10]);
    const controller = new AbortController();
    const stream = generate({ model, scheduler: recordingScheduler(), prompt: [1], signal: controller.signal });
    const collect = async (): Promise<void> => {
      for await (const part of stream) {
        if (part.type === "token-generate" && part.index === 1) controller.abort(new Error("enough"));
      }
    };
    await expect(collect()).rejects.toThrow("enough");
    expect(model.forwards).toHaveLength(2);
    expect(model.openSequences).toBe(0);
  });

  it("lets a timer abort it although the model never waits", async () => {
    const model = scripted([10]);
    const signal = AbortSignal.timeout(5);
    const run = generateText({ model, scheduler: recordingScheduler(), prompt: [1], maximumNewTokens: 4000, signal });
    await expect(run).rejects.toMatchObject({ name: "TimeoutError" });
  });
});

describe("what a generation refuses", () => {
  const model = scripted([10]);
  const scheduler = recordingScheduler();
  it.each([
    ["an empty prompt", { prompt: [] }, InvalidArgumentError],
    ["no tokens", { maximumNewTokens: 0 }, InvalidArgumentError],
    ["stop strings without a tokenizer", { stop: { strings: ["x"] } }, InvalidArgumentError],
    ["too many alternatives", { logProbabilities: 1e6 }, InvalidArgumentError],
    ["bad sampling", { sampling: { topP: 2 } }, InvalidArgumentError],
    ["a precision the model lacks", { scheduler: { ...scheduler, precisions: [2, 4] } }, PrecisionUnavailableError],
  ])("%s", (_, options, error) => {
    expect(() => generate({ model, scheduler, prompt: [1], ...options })).toThrow(error);
  });

  it.each<[string, PrecisionDecision]>([
    ["undeclared precisions", 8],
    ["decisions of the wrong length", [4, 4, 4]],
    ["decisions with an undeclared part", [4, 2]],
    ["no decision", undefined as unknown as number],
  ])("%s of a scheduler", async (_, decision) => {
    const run = generateText({ model, scheduler: recordingScheduler(() => decision), prompt: [1] });
    await expect(run).rejects.toBeInstanceOf(InvalidScheduleError);
    expect(model.openSequences).toBe(0);
  });

  it("nothing of a decision per block", async () => {
    const decode: PrecisionDecision = [4, 3];
    const result = await generateText({
      model,
      scheduler: recordingScheduler(() => decode),
      prompt: [1],
      maximumNewTokens: 2,
    });
    expect(result.trace.decode).toEqual([[4, 3]]);
  });
});
