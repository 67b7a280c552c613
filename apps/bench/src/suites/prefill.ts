/** `prefill`: a prompt from an empty sequence to its last logits. */
import type { Command } from "commander";
import { addModelOptions, chooseModel, type ModelOptions, modelFacts } from "../options/model-source.js";
import { integer } from "../options/parse.js";
import { addPeerModelOptions, type PeerModelOptions } from "../options/peers.js";
import { addThreadsOption, type ThreadsOptions } from "../options/threads.js";
import type { SuiteVariant } from "../session.js";
import { peerVariants } from "./model-peers.js";
import { type LoadedRunner, loadRunners, requireFinite, tokenIds } from "./model-runners.js";
import type { Suite } from "./suite.js";

interface PrefillOptions extends ModelOptions, PeerModelOptions, ThreadsOptions {
  readonly tokens: number;
}

/** The suite. */
export const prefillSuite: Suite<PrefillOptions> = {
  name: "prefill",
  description: "Time the prefill of a prompt at several precisions.",
  examples: [
    ["prefill --shape 135m --tokens 128", "synthetic weights in the shape of SmolLM2-135M"],
    ["prefill --model my-model --bits 8 --tokens 512", "a model of your own"],
  ],
  defaults: { warmUp: 1, repetitions: 9 },
  addOptions(command: Command) {
    addPeerModelOptions(addThreadsOption(addModelOptions(command))).option(
      "--tokens <n>",
      "tokens of the prompt",
      integer(1, 1_000_000),
      128,
    );
  },
  async run(session, options) {
    const model = await chooseModel(options);
    const loaded: LoadedRunner[] = [];
    const wait = { signal: session.signal };
    await using engines = await session.startEngines(options.threads);
    await using peers = await session.startPeers(options, "model");
    try {
      await loadRunners(model, engines.list, session, loaded);
      const variants: SuiteVariant[] = [];
      for (const { engine, runner, bits, groupSize } of loaded) {
        await runner.begin(options.tokens);
        const tokens = tokenIds(options.tokens, runner.vocabularySize);
        for (const precision of bits) {
          requireFinite(await runner.run(tokens, precision, wait), `prefill at ${precision} bits`);
          runner.rewind(0);
          variants.push({
            engine: engine.name,
            threads: engine.threads,
            codec: runner.codec,
            bits: precision,
            ...(groupSize === undefined ? {} : { groupSize }),
            work: options.tokens,
            workUnit: "tokens",
            async run() {
              await runner.run(tokens, precision, wait);
              runner.rewind(0);
            },
          });
        }
      }
      variants.push(...(await peerVariants(model, peers, { context: 0, tokens: options.tokens }, options, session)));
      const name = `${model.name}, ${options.tokens} tokens`;
      await session.measure("prefill", { name, ...modelFacts(model), context: 0 }, variants);
    } finally {
      for (const { runner } of loaded.reverse()) await runner[Symbol.asyncDispose]();
    }
  },
};
