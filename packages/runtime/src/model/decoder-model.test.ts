import {
  ContextExceededError,
  type ForwardOptions,
  InvalidArgumentError,
  InvalidFileError,
  type KernelSet,
  type LanguageModel,
  MissingFileError,
  OutOfMemoryError,
  PrecisionUnavailableError,
  UnsupportedError,
} from "@stepdown/core";
import { createReferenceKernels } from "@stepdown/kernels";
import { describe, expect, it } from "vitest";
import { generateText } from "../generation/generate-text.js";
import { largestDifference } from "../test-support/golden-models.js";
import { kernelSets } from "../test-support/kernel-sets.js";
import { makeDequantized, makeNested, randomCheckpoint, tinyConfig } from "../test-support/tiny-models.js";
import { describeCheckpoint } from "./describe-checkpoint.js";
import { loadLanguageModel } from "./load-language-model.js";

/**
 * Between kernel sets that sum in different orders, and round the input of the head to 15 bits, for logits of about 10; a
 * wrong plane moves them by more than 0.1.
 */
const KERNEL_TOLERANCE = 1e-3;

const prompt = [1, 17, 5, 30, 8, 8, 21, 3, 39, 0];

const nestedCheckpoint = () => randomCheckpoint(tinyConfig, { precisions: [2, 3, 4], make: makeNested });

async function loadNested(kernels: KernelSet = createReferenceKernels()): Promise<LanguageModel> {
  return loadLanguageModel({ checkpoint: nestedCheckpoint(), kernels });
}

async function logitsOf(
  model: LanguageModel,
  tokens: readonly number[],
  options: ForwardOptions,
): Promise<Float32Array> {
  await using sequence = await model.createSequence({ capacity: 64 });
  return (await sequence.forward(tokens, options)).logits;
}

/** A fixed decision for every step. */
function fixed(precision: number) {
  return {
    specificationVersion: "v1" as const,
    name: "fixed",
    precisions: [precision],
    start: () => ({ prefill: precision, decide: () => precision }),
  };
}

/** A kernel set that counts what is taken and not given back. */
function countingKernels(): { kernels: KernelSet; held: () => number } {
  const inner = createReferenceKernels();
  let held = 0;
  const counted: Partial<Record<keyof KernelSet, number>> = {
    allocate: 1,
    prepareLinear: 1,
    createKeyValueCache: 1,
    free: -1,
    freeLinear: -1,
    freeKeyValueCache: -1,
  };
  const kernels = new Proxy(inner, {
    get(target, key: keyof KernelSet) {
      const value: unknown = target[key];
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        held += counted[key] ?? 0;
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  });
  return { kernels, held: () => held };
}

describe("a nested model", () => {
  it("computes at every precision what a float model with the dequantized weights computes", async () => {
    const model = await loadNested();
    expect(model.precisions).toEqual([2, 3, 4]);
    const seen: Float32Array[] = [];
    for (const precision of model.precisions) {
      const checkpoint = randomCheckpoint(tinyConfig, { make: makeDequantized(precision) });
      const float = await loadLanguageModel({ checkpoint, kernels: createReferenceKernels() });
      const nested = await logitsOf(model, prompt, { precision, logits: "all" });
      expect(nested).toEqual(await logitsOf(float, prompt, { precision: 32, logits: "all" }));
      seen.push(nested);

      const generated = await generateText({ model, scheduler: fixed(precision), prompt, stop: { ids: [] } });
      const expected = await generateText({ model: float, scheduler: fixed(32), prompt, stop: { ids: [] } });
      expect(generated.ids).toEqual(expected.ids);
    }
    expect(seen[0]).not.toEqual(seen[1]);
    expect(seen[1]).not.toEqual(seen[2]);
  });

  it("computes the same on every kernel set to within float32 rounding", async () => {
    const precision = [4, 2, 3];
    const wanted = await logitsOf(await loadNested(), prompt, { precision, logits: "all" });
    for (const { create } of kernelSets) {
      await using kernels = await create();
      const found = await logitsOf(await loadNested(kernels), prompt, { precision, logits: "all" });
      expect(largestDifference(found, wanted)).toBeLessThan(KERNEL_TOLERANCE);
    }
  });

  it("reads every block at the precision decided for it", async () => {
    const model = await loadNested();
    const uniform = await logitsOf(model, prompt, { precision: 3 });
    expect(await logitsOf(model, prompt, { precision: [3, 3, 3] })).toEqual(uniform);
    for (const decision of [
      [2, 3, 3],
      [3, 3, 4],
    ]) {
      expect(await logitsOf(model, prompt, { precision: decision })).not.toEqual(uniform);
    }
  });

  it("keeps sequences at different precisions apart when their steps alternate", async () => {
    const model = await loadNested();
    const run = async (precision: number): Promise<Float32Array[]> => {
      await using sequence = await model.createSequence({ capacity: 32 });
      const steps: Float32Array[] = [];
      for (const id of prompt) steps.push((await sequence.forward([id], { precision })).logits);
      return steps;
    };
    const alone = [await run(2), await run(4)];
    await using one = await model.createSequence({ capacity: 32 });
    await using other = await model.createSequence({ capacity: 32 });
    for (const [step, id] of prompt.entries()) {
      const both = await Promise.all([one.forward([id], { precision: 2 }), other.forward([id], { precision: 4 })]);
      expect(both.map(({ logits }) => logits)).toEqual([alone[0]![step], alone[1]![step]]);
    }
  });

  it("costs what its planes and tables weigh, from the headers alone", async () => {
    const model = await loadNested();
    // Per block: q, o 32×32; k, v 16×32; gate, up 48×32; down 32×48. Tables: 2 · 2^p bytes per row.
    const weights = 2 * 32 * 32 + 2 * 16 * 32 + 2 * 48 * 32 + 32 * 48;
    const rows = 2 * 32 + 2 * 16 + 2 * 48 + 32;
    const block = (p: number): number => (p * weights) / 8 + 2 * rows * 2 ** p;
    const norms = 4 * 32 * 7;
    const outer = (6 * 40 * 32) / 8 + 4 * 40;
    const cost = model.cost([2, 3, 4]);
    expect(cost.nestedBytes).toBe(block(2) + block(3) + block(4));
    expect(cost.effectiveBits).toBeCloseTo((8 * cost.nestedBytes) / (3 * weights), 12);
    expect(cost.bytes).toBeCloseTo(cost.nestedBytes + norms + outer + outer / 40, 9);
    expect(model.description).toMatchObject({ codec: "codebook", nestedWeights: 3 * weights });

    const described = describeCheckpoint(nestedCheckpoint());
    expect(described.cost([2, 3, 4])).toEqual(cost);
    expect(described.description).toEqual(model.description);
    const held = 3 * ((4 * weights) / 8 + 2 * rows * (4 + 8 + 16)) + 2 * outer + norms;
    expect(described.loadedBytes(4)).toBe(held);
  });

  it("loads only the precisions asked for", async () => {
    const kernels = createReferenceKernels();
    const model = await loadLanguageModel({ checkpoint: nestedCheckpoint(), kernels, precisions: [4, 2] });
    expect(model.precisions).toEqual([2, 4]);
    await expect(logitsOf(model, prompt, { precision: 3 })).rejects.toBeInstanceOf(PrecisionUnavailableError);
    const wide = loadLanguageModel({ checkpoint: nestedCheckpoint(), kernels, precisions: [8] });
    await expect(wide).rejects.toBeInstanceOf(PrecisionUnavailableError);
  });
});

describe("a sequence", () => {
  it("computes the same in chunks of any size as in one", async () => {
    const model = await loadNested();
    const whole = await logitsOf(model, prompt, { precision: 4, logits: "all" });
    for (const chunkTokens of [1, 3, 7, 10, 999]) {
      expect(await logitsOf(model, prompt, { precision: 4, logits: "all", chunkTokens })).toEqual(whole);
      const last = await logitsOf(model, prompt, { precision: 4, chunkTokens });
      expect(last).toEqual(whole.slice(-40));
    }
    expect(await logitsOf(model, prompt, { precision: 4, logits: "none" })).toHaveLength(0);
  });

  it("computes more rows of logits than fit in one go of the head", async () => {
    const model = await loadNested();
    const long = Array.from({ length: 50 }, (_, i) => (i * 7) % 40);
    const whole = await logitsOf(model, long, { precision: 4, logits: "all" });
    await using sequence = await model.createSequence({ capacity: 64 });
    for (const [row, id] of long.entries()) {
      const { logits } = await sequence.forward([id], { precision: 4 });
      expect(logits).toEqual(whole.slice(row * 40, (row + 1) * 40));
    }
  });

  it("is aborted between chunks and is then as long as before", async () => {
    const model = await loadNested();
    await using sequence = await model.createSequence({ capacity: 64 });
    const before = await sequence.forward([4, 9], { precision: 3 });
    const controller = new AbortController();
    const done: number[] = [];
    const run = sequence.forward(prompt, {
      precision: 4,
      chunkTokens: 3,
      signal: controller.signal,
      onProgress: (progress) => {
        done.push(progress.done);
        if (progress.done === 6) controller.abort(new Error("stop"));
      },
    });
    await expect(run).rejects.toThrow("stop");
    expect(done).toEqual([3, 6]);
    expect(sequence.length).toBe(2);
    // What the aborted call left in the cache must not be seen afterwards.
    sequence.truncate(1);
    expect((await sequence.forward([9], { precision: 3 })).logits).toEqual(before.logits);
  });

  it("lets a timer abort a long prompt although the kernels never wait", async () => {
    const model = await loadNested();
    await using sequence = await model.createSequence();
    const tokens = new Array<number>(128).fill(1);
    const options = { precision: 4, chunkTokens: 1, signal: AbortSignal.timeout(1) };
    await expect(sequence.forward(tokens, options)).rejects.toMatchObject({ name: "TimeoutError" });
    expect(sequence.length).toBe(0);
  });

  it("refuses before any work what cannot be done", async () => {
    const model = await loadNested();
    await using sequence = await model.createSequence({ capacity: 4 });
    const refuse = async (tokens: number[], options: ForwardOptions, error: unknown): Promise<void> => {
      await expect(sequence.forward(tokens, options)).rejects.toBeInstanceOf(error);
      expect(sequence.length).toBe(0);
    };
    await refuse([1, 2, 3, 4, 5], { precision: 4 }, ContextExceededError);
    await refuse([1], { precision: 5 }, PrecisionUnavailableError);
    await refuse([1], { precision: [4, 4, 8] }, PrecisionUnavailableError);
    await refuse([1], { precision: [4, 4] }, InvalidArgumentError);
    await refuse([40], { precision: 4 }, InvalidArgumentError);
    await refuse([-1], { precision: 4 }, InvalidArgumentError);
    await refuse([], { precision: 4 }, InvalidArgumentError);
    await refuse([1], { precision: 4, chunkTokens: 0 }, InvalidArgumentError);
    await expect(model.createSequence({ capacity: 129 })).rejects.toBeInstanceOf(ContextExceededError);
    expect(() => sequence.truncate(1)).toThrow(InvalidArgumentError);
    await expect(sequence.readKeyValues(3)).rejects.toBeInstanceOf(InvalidArgumentError);
  });

  it("refuses calls that overlap and calls after disposal", async () => {
    const model = await loadNested();
    const sequence = await model.createSequence({ capacity: 16 });
    const running = sequence.forward([1, 2, 3], { precision: 4, chunkTokens: 1 });
    await expect(sequence.forward([1], { precision: 4 })).rejects.toThrow(/still running/);
    expect(() => sequence.truncate(0)).toThrow(/still running/);
    await running;
    await sequence[Symbol.asyncDispose]();
    await expect(sequence.forward([1], { precision: 4 })).rejects.toThrow(/disposed/);
  });
});

describe("memory", () => {
  it("is all given back by disposal, open sequences included", async () => {
    const { kernels, held } = countingKernels();
    const model = await loadNested(kernels);
    const sequence = await model.createSequence({ capacity: 32 });
    await model.createSequence({ capacity: 8 });
    await sequence.forward(prompt, { precision: 4, logits: "all" });
    expect(held()).toBeGreaterThan(0);
    await model[Symbol.asyncDispose]();
    expect(held()).toBe(0);
    await sequence[Symbol.asyncDispose]();
    expect(held()).toBe(0);
    await expect(model.createSequence()).rejects.toBeInstanceOf(InvalidArgumentError);
  });

  it("is all given back when loading is aborted or fails half-way", async () => {
    const { kernels, held } = countingKernels();
    const controller = new AbortController();
    const onProgress = ({ done, total }: { done: number; total: number | undefined }): void => {
      if (done > total! / 2) controller.abort(new Error("stop"));
    };
    const load = loadLanguageModel({ checkpoint: nestedCheckpoint(), kernels, signal: controller.signal, onProgress });
    await expect(load).rejects.toThrow("stop");
    expect(held()).toBe(0);

    const checkpoint = nestedCheckpoint();
    const broken = {
      ...checkpoint,
      readLinear: async (name: string) => {
        const weight = await checkpoint.readLinear(name);
        return name.includes("layers.1") ? { ...weight, rows: weight.rows + 1 } : weight;
      },
    };
    await expect(loadLanguageModel({ checkpoint: broken, kernels })).rejects.toBeInstanceOf(InvalidFileError);
    expect(held()).toBe(0);
  });

  it("counts every weight as loading proceeds", async () => {
    const reports: [number, number | undefined][] = [];
    const model = await loadLanguageModel({
      checkpoint: nestedCheckpoint(),
      kernels: createReferenceKernels(),
      onProgress: ({ done, total }) => reports.push([done, total]),
    });
    expect(reports.at(-1)).toEqual([model.description.parameters, model.description.parameters]);
    expect(reports.map(([done]) => done)).toEqual(reports.map(([done]) => done).sort((a, b) => a - b));
  });
});

describe("a checkpoint that does not fit its configuration", () => {
  it("is refused for missing tensors and for wrong shapes before anything is read", async () => {
    const { kernels, held } = countingKernels();
    const whole = randomCheckpoint();
    const missing = { ...whole, has: (name: string) => !name.includes("up_proj") && whole.has(name) };
    await expect(loadLanguageModel({ checkpoint: missing, kernels })).rejects.toBeInstanceOf(MissingFileError);
    const wider = { ...whole, config: { ...tinyConfig, intermediate_size: 56 } };
    await expect(loadLanguageModel({ checkpoint: wider, kernels })).rejects.toThrow(
      /gate_proj.weight.*\[48, 32\].*\[56, 32\]/s,
    );
    expect(held()).toBe(0);
  });

  it("is refused before anything is read when it cannot fit, with the precision that would", async () => {
    const checkpoint = nestedCheckpoint();
    await using kernels = createReferenceKernels();
    const refused = async (maximumBytes: number) => {
      const capabilities = { ...kernels.capabilities, maximumBytes };
      const small = new Proxy(kernels, {
        get: (target, key) => (key === "capabilities" ? capabilities : Reflect.get(target, key)),
      });
      return loadLanguageModel({ checkpoint, kernels: small });
    };
    const { bytes } = (await loadNested()).cost(3);
    await expect(refused(2 * bytes)).rejects.toThrow(/up to 4 bits.*Up to [23] bits fit/);
    await expect(refused(100)).rejects.toThrow(/No stored precision fits/);
    await expect(refused(100)).rejects.toBeInstanceOf(OutOfMemoryError);
  });

  it("is refused when the kernel set cannot read its codec", async () => {
    const reference = createReferenceKernels();
    const kernels = new Proxy(reference, {
      get: (target, key: keyof KernelSet) =>
        key === "capabilities" ? { ...target.capabilities, codecs: { dense: [32] } } : target[key],
    });
    const load = loadLanguageModel({ checkpoint: nestedCheckpoint(), kernels });
    await expect(load).rejects.toBeInstanceOf(UnsupportedError);
  });
});

it("takes end ids from the generation configuration, too", async () => {
  const { config, tensors: _, ...rest } = randomCheckpoint();
  const checkpoint = {
    ...rest,
    config,
    tensors: new Map(),
    readTextAssets: async () => ({ generationConfig: { eos_token_id: [7, 2] } }),
  };
  const model = await loadLanguageModel({ checkpoint, kernels: createReferenceKernels() });
  expect(model.description.endOfSequenceIds).toEqual([2, 7]);
});

it("finds a tied embedding that is stored under the head's name only", async () => {
  const kernels = createReferenceKernels();
  const usual = randomCheckpoint({ ...tinyConfig, tie_word_embeddings: true });
  const rename = (name: string) => name.replace(/^lm_head/, "model.embed_tokens");
  const headOnly = {
    ...usual,
    tensors: new Map(
      [...usual.tensors].map(([name, tensor]) => [name.replace(/^model\.embed_tokens/, "lm_head"), tensor]),
    ),
    has: (name: string) => !name.startsWith("model.embed_tokens") && usual.has(rename(name)),
    readLinear: (name: string) => usual.readLinear(rename(name)),
  };
  const expected = await logitsOf(await loadLanguageModel({ checkpoint: usual, kernels }), prompt, { precision: 32 });
  const actual = await logitsOf(await loadLanguageModel({ checkpoint: headOnly, kernels }), prompt, { precision: 32 });
  expect(actual).toEqual(expected);
});
