/** `decode`: one whole decode step of a model behind a context of fixed length. */
import type { Command } from "commander";
import { addModelOptions, chooseModel, type ModelOptions, modelFacts } from "../options/model-source.js";
import { integer } from "../options/parse.js";
import { addPeerModelOptions, type PeerModelOptions } from "../options/peers.js";
import { addThreadsOption, type ThreadsOptions } from "../options/threads.js";
import type { Session, SuiteVariant } from "../session.js";
import { peerVariants } from "./model-peers.js";
import { type LoadedRunner, loadRunners, requireFinite, tokenIds } from "./model-runners.js";
import type { Suite } from "./suite.js";

interface DecodeOptions extends ModelOptions, PeerModelOptions, ThreadsOptions {
  readonly context: number;
}

/** The suite. */
export const decodeSuite: Suite<DecodeOptions> = {
  name: "decode",
  description: "Time one decode step of a whole model at several precisions.",
  examples: [
    ["decode --shape 135m --bits 2,3,4,6,8", "synthetic weights in the shape of SmolLM2-135M"],
    ["decode --model my-model --context 512", "a model of your own, all its precisions"],
    [
      "decode --shape 1.1b --codec bcq --bits 2,4 --threads 2 --peers node-llama-cpp",
      "beside llama.cpp, where installed",
    ],
    ["decode --shape 1.1b --codec codebook,f16 --bits 2,4", "beside half-precision numbers"],
  ],
  defaults: { warmUp: 2, repetitions: 15 },
  addOptions(command: Command) {
    addPeerModelOptions(addThreadsOption(addModelOptions(command))).option(
      "--context <n>",
      "tokens before the step",
      integer(1, 1_000_000),
      128,
    );
  },
  async run(session, options) {
    const model = await chooseModel(options);
    const loaded: LoadedRunner[] = [];
    await using engines = await session.startEngines(options.threads);
    await using peers = await session.startPeers(options, "model");
    try {
      await loadRunners(model, engines.list, session, loaded);
      const variants: SuiteVariant[] = [];
      for (const one of loaded) {
        const { engine, runner, bits } = one;
        session.note(`${engine.name}: filling a context of ${options.context} tokens`);
        await fillContext(runner, options.context, bits[0]!, session);
        for (const precision of bits) variants.push(await decodeVariant(one, precision));
      }
      variants.push(...(await peerVariants(model, peers, { context: options.context, tokens: 1 }, options, session)));
      const name = `${model.name}, context ${options.context}`;
      await session.measure("decode", { name, ...modelFacts(model), context: options.context }, variants);
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

async function decodeVariant({ engine, runner, groupSize }: LoadedRunner, bits: number): Promise<SuiteVariant> {
  const [token] = tokenIds(1, runner.vocabularySize) as [number];
  const context = runner.position;
  const tokens = [token];
  requireFinite(await runner.run(tokens, bits), `decode at ${bits} bits`);
  runner.rewind(context);
  let chosen = 0;
  return {
    engine: engine.name,
    threads: engine.threads,
    codec: runner.codec,
    bits,
    ...(groupSize === undefined ? {} : { groupSize }),
    bytes: runner.weightBytes(bits),
    work: 1,
    workUnit: "tokens",
    async run() {
      // The likeliest token is part of a step, as it is for the peers.
      chosen = likeliest(await runner.run(tokens, bits));
      runner.rewind(context);
    },
    settle() {
      if (!(chosen >= 0)) throw new Error(`decode at ${bits} bits: no token came out.`);
    },
  };
}

function likeliest(logits: Float32Array): number {
  let best = -1;
  let highest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id]! > highest) {
      highest = logits[id]!;
      best = id;
    }
  }
  return best;
}
