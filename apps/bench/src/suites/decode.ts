/** `decode`: one whole decode step of a model behind a context of fixed length. */
import type { Command } from "commander";
import { addModelOptions, chooseModel, type ModelOptions } from "../options/model-source.js";
import { integer } from "../options/parse.js";
import type { Session, SuiteVariant } from "../session.js";
import { type LoadedRunner, loadRunners, requireFinite, tokenIds } from "./model-runners.js";
import type { Suite } from "./suite.js";

interface DecodeOptions extends ModelOptions {
  readonly context: number;
}

/** The suite. */
export const decodeSuite: Suite<DecodeOptions> = {
  name: "decode",
  description: "Time one decode step of a whole model at several precisions.",
  examples: [
    ["decode --shape 135m --bits 2,3,4,6,8", "synthetic weights in the shape of SmolLM2-135M"],
    ["decode --model my-model --context 512", "a model of your own, all its precisions"],
    ["decode --shape 1.1b --codec codebook,f16 --bits 2,4", "beside half-precision numbers"],
  ],
  defaults: { warmUp: 2, repetitions: 15 },
  addOptions(command: Command) {
    addModelOptions(command).option("--context <n>", "tokens before the step", integer(1, 1_000_000), 128);
  },
  async run(session, options) {
    const model = await chooseModel(options);
    const loaded: LoadedRunner[] = [];
    await using engines = await session.startEngines();
    try {
      await loadRunners(model, engines.list, session, loaded);
      const variants: SuiteVariant[] = [];
      for (const { engine, runner, bits } of loaded) {
        session.note(`${engine.name}: filling a context of ${options.context} tokens`);
        await fillContext(runner, options.context, bits[0]!, session);
        for (const precision of bits) variants.push(await decodeVariant({ engine, runner, bits }, precision));
      }
      await session.measure("decode", `${model.name}, context ${options.context}`, variants);
    } finally {
      for (const { runner } of loaded.reverse()) await runner[Symbol.asyncDispose]();
    }
  },
};

/** Keys and values take the same room and time at every precision, so one context serves all. */
async function fillContext(
  runner: LoadedRunner["runner"],
  length: number,
  bits: number,
  { signal }: Session,
): Promise<void> {
  await runner.begin(length + 1);
  await runner.run(tokenIds(length, runner.vocabularySize), bits, { signal });
}

async function decodeVariant({ engine, runner }: LoadedRunner, bits: number): Promise<SuiteVariant> {
  const [token] = tokenIds(1, runner.vocabularySize) as [number];
  const context = runner.position;
  const tokens = [token];
  requireFinite(await runner.run(tokens, bits), `decode at ${bits} bits`);
  runner.rewind(context);
  return {
    engine: engine.name,
    threads: engine.threads,
    codec: runner.codec,
    bits,
    bytes: runner.weightBytes(bits),
    work: 1,
    workUnit: "tokens",
    async run() {
      await runner.run(tokens, bits);
      runner.rewind(context);
    },
  };
}
