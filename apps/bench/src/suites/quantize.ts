/** `quantize`: weights per second of the quantizer on synthetic layers in a model's shapes. */
import { InvalidArgumentError, type LinearShape } from "@stepdown/core";
import { createRowPool, quantizeBinaryCoded, quantizeLinear } from "@stepdown/quantization";
import { type Command, Option } from "commander";
import { collectGarbage } from "../collect-garbage.js";
import { chooseModel, modelFacts } from "../options/model-source.js";
import { bitList, integer, list, oneOf } from "../options/parse.js";
import type { SuiteVariant } from "../session.js";
import { modelShapes } from "../synthetic/model-shapes.js";
import { distinctShapes, layersOf } from "../synthetic/synthetic-layers.js";
import { syntheticFloatWeight } from "../synthetic/synthetic-weight.js";
import type { Suite } from "./suite.js";

const codecs = ["codebook", "bcq"] as const;
const modes = ["exact", "fixed", "reference"] as const;

interface QuantizeOptions {
  readonly shape: string;
  readonly rows: number;
  readonly seedBits: number;
  readonly bits: readonly number[];
  readonly codec: readonly (typeof codecs)[number][];
  readonly mode: readonly (typeof modes)[number][];
  readonly threads?: number;
}

/** A codec and how it works. */
type Method = { readonly codec: "codebook"; readonly mode: (typeof modes)[number] } | { readonly codec: "bcq" };

/** The pool's threads end one after another and wait for messages; this much of their time they are surely busy. */
const POOL_SHARE = 0.75;

/** The suite. */
export const quantizeSuite: Suite<QuantizeOptions> = {
  name: "quantize",
  description: "Time the quantizer on synthetic layers: weights per second by codec, mode and bits.",
  examples: [
    ["quantize --shape 135m --bits 4 --threads 1", "one thread"],
    ["quantize --codec codebook,bcq --bits 8", "both codecs beside each other"],
    ["quantize --shape 7b --rows 64 --mode exact,reference", "two modes beside each other"],
  ],
  defaults: { warmUp: 1, repetitions: 7 },
  addOptions(command: Command) {
    command
      .option("--shape <shape>", `${Object.keys(modelShapes).join(", ")}, or a config.json`, "135m")
      .option(
        "--rows <n>",
        "rows of each layer; rows are independent, so a part stands for all",
        integer(1, 1 << 20),
        256,
      )
      .option("--seed-bits <n>", "lowest precision, found by clustering", integer(2, 4), 2)
      .addOption(new Option("--bits <list>", "highest precisions").argParser(bitList).default([4], "4"))
      .addOption(
        new Option("--codec <list>", codecs.join(", "))
          .argParser(list(oneOf(codecs)))
          .default(["codebook"], "codebook"),
      )
      .addOption(
        new Option("--mode <list>", `of codebook: ${modes.join(", ")}`)
          .argParser(list(oneOf(modes)))
          .default(["exact"], "exact"),
      )
      .option("--threads <n>", "worker threads; 0: the main thread (default: all cores)", integer(0, 256));
  },
  async run(session, options) {
    const { seedBits, signal } = { ...options, signal: session.signal };
    const low = options.bits.find((bits) => bits < seedBits);
    if (low !== undefined) {
      throw new InvalidArgumentError(`--bits ${low} is below --seed-bits ${seedBits}; it must be at least as high.`);
    }
    const model = await chooseModel({ shape: options.shape });
    const config = model.kind === "synthetic" ? model.config : {};
    const shapes = distinctShapes(layersOf(config, model.name)).map(({ rows, columns }): LinearShape => {
      return { rows: Math.min(rows, options.rows), columns };
    });
    const layers = shapes.map((shape, index) => {
      return { shape, weight: syntheticFloatWeight(shape, session.options.seed + index) };
    });
    const weights = shapes.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
    await using pool = await createRowPool({ threads: options.threads });
    const threads = Math.max(1, pool.threads);
    const notes = pool.fallbackReason === undefined ? [] : [`${pool.fallbackReason}.`];
    session.engines.set(ENGINE, { name: ENGINE, kernels: "typescript", threads, notes });
    const methods = options.codec.flatMap((codec): Method[] => {
      if (codec === "codebook") return options.mode.map((mode) => ({ codec, mode }));
      return [{ codec }];
    });
    const variants = methods.flatMap((method) => {
      return options.bits.map((bits): SuiteVariant => {
        const settings = { seedBits, bits, pool, signal };
        return {
          engine: ENGINE,
          threads,
          codec: method.codec === "bcq" ? "bcq" : `codebook-${method.mode}`,
          bits,
          work: weights,
          workUnit: "weights",
          once: true,
          ...(pool.threads === 0 ? {} : { busy: { threads, share: POOL_SHARE } }),
          settle: collectGarbage,
          async run() {
            // All at once: the pool's queue keeps its threads busy from layer to layer.
            await Promise.all(
              layers.map(({ shape, weight }) =>
                method.codec === "bcq"
                  ? quantizeBinaryCoded(weight, shape, settings)
                  : quantizeLinear(weight, shape, { ...settings, mode: method.mode }),
              ),
            );
          },
        };
      });
    });
    await session.measure(
      "quantize",
      { name: `${model.name}, ${options.rows} rows per layer`, ...modelFacts(model) },
      variants,
    );
  },
};

/** Name of the quantizer in reports; it is not one of the engines that run models. */
const ENGINE = "quantizer";
