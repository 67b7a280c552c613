/** Our own kernels and runtime as an engine. */
import type { FloatBuffer, KernelSet, LinearCall, PreparedLinear, Sequence } from "@stepdown/core";
import { openCheckpoint } from "@stepdown/model-format";
import { loadLanguageModel } from "@stepdown/runtime";
import { createRandomNumbers } from "../random-numbers.js";
import type { Engine, LinearRunner, ModelRunner } from "./engine.js";

/** An engine on a kernel set, which it owns. */
export function createStepdownEngine(name: string, kernels: KernelSet): Engine {
  const { threads, notes } = kernels.capabilities;
  return {
    name,
    kernels: kernels.name,
    threads,
    notes,
    async prepareLinear(weight, { copyBytes, signal }) {
      const copies: PreparedLinear[] = [];
      const buffers: FloatBuffer[] = [];
      const free = (): void => {
        for (const copy of copies.splice(0)) kernels.freeLinear(copy);
        for (const buffer of buffers.splice(0)) kernels.free(buffer);
      };
      try {
        let held = 0;
        do {
          signal?.throwIfAborted();
          const copy = await kernels.prepareLinear(weight, { signal });
          copies.push(copy);
          held += copy.bytes;
        } while (held < copyBytes);
        const input = kernels.allocate(weight.columns);
        const output = kernels.allocate(weight.rows);
        buffers.push(input, output);
        kernels.write(input, randomInput(weight.columns));
        return linearRunner(kernels, copies, input, output, free);
      } catch (error) {
        free();
        throw error;
      }
    },
    async loadModel(source, { precisions, signal, onProgress }) {
      const wait = { signal, onProgress };
      const opened = "path" in source;
      const maximumPrecision = precisions === undefined ? undefined : Math.max(...precisions);
      const checkpoint = opened ? await openCheckpoint(source.path, { maximumPrecision, ...wait }) : source.checkpoint;
      try {
        const wanted = checkpoint.kind === "float" ? undefined : precisions;
        return modelRunner(await loadLanguageModel({ checkpoint, kernels, precisions: wanted, ...wait }));
      } finally {
        if (opened) await checkpoint[Symbol.asyncDispose]();
      }
    },
    [Symbol.asyncDispose]: async () => await kernels[Symbol.asyncDispose](),
  };
}

function linearRunner(
  kernels: KernelSet,
  copies: readonly PreparedLinear[],
  input: FloatBuffer,
  output: FloatBuffer,
  free: () => void,
): LinearRunner {
  // Everything but the precision is fixed; the calls' objects are made here, not in the timed loop.
  const calls = copies.map((copy): { -readonly [Key in keyof LinearCall]: LinearCall[Key] } => {
    return { weights: [copy], precision: 0, input, outputs: [output], tokens: 1 };
  });
  // One walk for all precisions: a copy that another precision has just left behind in the cache is not used next.
  let next = 0;
  return {
    copies: copies.length,
    run(precision) {
      const call = calls[next]!;
      next = next + 1 === calls.length ? 0 : next + 1;
      call.precision = precision;
      kernels.linear(call);
    },
    result: () => kernels.read(output),
    free,
  };
}

function modelRunner(model: Awaited<ReturnType<typeof loadLanguageModel>>): ModelRunner {
  let sequence: Sequence | undefined;
  const begun = (): Sequence => {
    if (sequence === undefined) throw new Error("A sequence must be begun first.");
    return sequence;
  };
  const end = async (): Promise<void> => {
    await sequence?.[Symbol.asyncDispose]();
    sequence = undefined;
  };
  return {
    precisions: model.precisions,
    codec: model.description.codec,
    vocabularySize: model.description.vocabularySize,
    weightBytes: (precision) => model.cost(precision).bytes,
    get position() {
      return sequence?.length ?? 0;
    },
    async begin(capacity) {
      await end();
      sequence = await model.createSequence({ capacity });
    },
    async run(tokens, precision, options = {}) {
      const { logits } = await begun().forward(tokens, { precision, ...options });
      return logits;
    },
    rewind: (position) => begun().truncate(position),
    async [Symbol.asyncDispose]() {
      await end();
      await model[Symbol.asyncDispose]();
    },
  };
}

/** Activations between −1 and 1. */
/** An input vector: numbers between −1 and 1, the same for the same length. */
export function randomInput(length: number): Float32Array {
  const random = createRandomNumbers(length);
  return Float32Array.from({ length }, () => 2 * random.uniform() - 1);
}
