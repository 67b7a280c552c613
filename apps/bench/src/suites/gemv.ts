/** `gemv`: one linear layer times one vector, with the matrix in the cache (hot) or in memory (cold). */
import { InvalidArgumentError, type LinearWeight } from "@stepdown/core";
import { nestedLayerSource, storedLayerOf } from "@stepdown/model-format";
import { InvalidArgumentError as BadUse, type Command, Option } from "commander";
import { createTunedLinear, fitsTuned, type TunedKind, tunedKinds } from "../baselines/tuned-linear.js";
import type { Engine, LinearRunner } from "../engines/engine.js";
import { randomInput } from "../engines/stepdown-engine.js";
import { bitList, list, number, oneOf } from "../options/parse.js";
import { addPeerOptions, type PeerOptions } from "../options/peers.js";
import { addThreadsOption, type ThreadsOptions } from "../options/threads.js";
import { lastLevelCacheBytes } from "../report/machine.js";
import type { Session, SuiteVariant } from "../session.js";
import { modelShapes } from "../synthetic/model-shapes.js";
import { distinctShapes, layersOf } from "../synthetic/synthetic-layers.js";
import { syntheticDenseWeight, syntheticNestedWeight } from "../synthetic/synthetic-weight.js";
import { groupSizeFor, isNestedKind, type WeightKind, weightKinds } from "../synthetic/weight-kinds.js";
import { productVariants } from "./gemv-peers.js";
import { requireFinite } from "./model-runners.js";
import type { Suite } from "./suite.js";

type Temperature = "hot" | "cold";

interface Shape {
  readonly rows: number;
  readonly columns: number;
}

interface GemvOptions extends PeerOptions, ThreadsOptions {
  readonly shapes: readonly (readonly Shape[])[];
  readonly codec: readonly (WeightKind | TunedKind)[];
  readonly bits: readonly number[];
  readonly cache: readonly Temperature[];
  readonly coldMegabytes: number;
}

/** Rows or columns beyond which a matrix is a typing error. */
const MAXIMUM_SIDE = 1 << 20;
/** A walk must be this many times as large as the last-level cache for none of it to be found there again. */
const CACHE_MULTIPLE = 2;

/** What the tuned baselines are called among engines. */
const TUNED_ENGINE = "baseline";

/** The suite. */
export const gemvSuite: Suite<GemvOptions> = {
  name: "gemv",
  description: "Time one linear layer times one vector: shapes, codecs and bits, in and out of the cache.",
  examples: [
    ["gemv --shapes 576x1536 --bits 2,3,4,6,8", "one matrix of 576 rows and 1536 columns"],
    [
      "gemv --codec bcq,f16-tuned,int4-tuned --cache cold",
      "beside the best kernels for plain numbers that we can make",
    ],
    ["gemv --shapes 135m --codec codebook,uniform,f16 --cache cold", "the layers of SmolLM2-135M, from memory"],
  ],
  defaults: { warmUp: 2, repetitions: 15 },
  addOptions(command: Command) {
    addPeerOptions(addThreadsOption(command));
    const presets = Object.keys(modelShapes).join(", ");
    const option = (
      flags: string,
      description: string,
      value: unknown,
      shown: string,
      read: (text: string) => unknown,
    ) => command.addOption(new Option(flags, description).argParser(read).default(value, shown));
    option(
      "--shapes <list>",
      `matrices as ROWSxCOLUMNS, or a model's: ${presets}`,
      [[{ rows: 4096, columns: 4096 }]],
      "4096x4096",
      list(readShapes),
    );
    const kinds = [...weightKinds, ...tunedKinds];
    option("--codec <list>", kinds.join(", "), ["codebook", "f16"], "codebook,f16", list(oneOf(kinds)));
    option("--bits <list>", "precisions of nested codecs", [2, 3, 4, 6, 8], "2,3,4,6,8", bitList);
    option(
      "--cache <list>",
      "hot: the same matrix every time; cold: many copies in turn",
      ["hot", "cold"],
      "hot,cold",
      list(oneOf(["hot", "cold"])),
    );
    option("--cold-megabytes <n>", "copies of each codec's matrix in the cold case", 600, "600", number(1, 100_000));
  },
  async run(session, options) {
    await using engines = await session.startEngines(options.threads);
    await using peers = await session.startPeers(options, "product");
    for (const { rows, columns } of options.shapes.flat()) {
      for (const temperature of options.cache) {
        const runners: LinearRunner[] = [];
        try {
          const variants: SuiteVariant[] = [];
          for (const engine of engines.list) {
            for (const kind of options.codec.filter((one): one is WeightKind => !isTuned(one))) {
              variants.push(
                ...(await prepareKind(engine, kind, { rows, columns }, temperature, options, session, runners)),
              );
            }
          }
          for (const kind of options.codec.filter(isTuned)) {
            variants.push(...(await prepareTuned(kind, { rows, columns }, temperature, options, session, runners)));
          }
          const { bits, coldMegabytes, threads } = options;
          const coldBytes = temperature === "hot" ? 0 : coldMegabytes * 1e6;
          variants.push(...(await productVariants({ rows, columns }, bits, coldBytes, threads, peers, session)));
          if (variants.length === 0) {
            throw new InvalidArgumentError(
              "None of the chosen engines multiplies single layers. Choose another --engine.",
            );
          }
          await session.measure(
            "gemv",
            { name: `${rows}x${columns} ${temperature}`, shape: `${rows}x${columns}` },
            variants,
          );
        } finally {
          for (const runner of runners) runner.free();
        }
      }
    }
  },
};

/** Prepares one codec's matrix, or its copies, in one engine and returns a variant per precision. */
async function prepareKind(
  engine: Engine,
  kind: WeightKind,
  shape: Shape,
  temperature: Temperature,
  options: GemvOptions,
  session: Session,
  runners: LinearRunner[],
): Promise<SuiteVariant[]> {
  if (engine.prepareLinear === undefined) {
    session.note(`${engine.name} multiplies no single layers; left out`);
    return [];
  }
  const weight = makeWeight(kind, shape, options.bits, session.options.seed);
  const copyBytes = temperature === "hot" ? 0 : options.coldMegabytes * 1e6;
  if (copyBytes > 0) session.note(`${engine.name}: preparing ${options.coldMegabytes} MB of ${kind} copies`);
  const runner = await engine.prepareLinear(weight, { copyBytes, signal: session.signal });
  runners.push(runner);
  const bits = weight.codec === "dense" ? [weight.type === "f32" ? 32 : 16] : options.bits;
  if (temperature === "cold") warnIfWarm(runner.copies * bytesRead(weight, Math.min(...bits)), kind, session);
  const variants: SuiteVariant[] = [];
  const groupSize = weight.codec === "bcq" ? { groupSize: weight.groupSize } : {};
  for (const precision of bits) {
    await runner.run(precision);
    requireFinite(await runner.result(), `${kind} at ${precision} bits`);
    variants.push({
      engine: engine.name,
      threads: engine.threads,
      codec: weight.codec,
      bits: precision,
      ...groupSize,
      bytes: bytesRead(weight, precision),
      work: shape.rows * shape.columns,
      workUnit: "weights",
      run: () => runner.run(precision),
    });
  }
  return variants;
}

function isTuned(kind: WeightKind | TunedKind): kind is TunedKind {
  return (tunedKinds as readonly string[]).includes(kind);
}

/** Prepares one of the tuned baselines. */
async function prepareTuned(
  kind: TunedKind,
  shape: Shape,
  temperature: Temperature,
  options: GemvOptions,
  session: Session,
  runners: LinearRunner[],
): Promise<SuiteVariant[]> {
  if (!fitsTuned(kind, shape.columns)) {
    session.remark(`${kind}: ${shape.rows}x${shape.columns} left out; its rows are multiples of 32 columns`);
    return [];
  }
  const copyBytes = temperature === "hot" ? 0 : options.coldMegabytes * 1e6;
  const input = randomInput(shape.columns);
  const linear = await createTunedLinear(kind, shape, { seed: session.options.seed, copyBytes, input });
  runners.push(linear);
  linear.run(linear.bits);
  requireFinite(await linear.result(), kind);
  const { bits, bytes, groupSize, kernels } = linear;
  const notes = ["Four row streams; 8-bit activations beside 4-bit weights. Baselines, not part of the product."];
  session.engines.set(TUNED_ENGINE, { name: TUNED_ENGINE, kernels, threads: 1, notes });
  const facts = { engine: TUNED_ENGINE, threads: 1, codec: kind, bits, bytes };
  const work = { work: shape.rows * shape.columns, workUnit: "weights" };
  return [{ ...facts, ...(groupSize === undefined ? {} : { groupSize }), ...work, run: () => linear.run(bits) }];
}

function makeWeight(kind: WeightKind, shape: Shape, bits: readonly number[], seed: number): LinearWeight {
  if (!isNestedKind(kind)) return syntheticDenseWeight(shape, kind, seed);
  const group = kind === "bcq" ? { groupSize: groupSizeFor(shape.columns) } : {};
  const [seedBits, highest] = [Math.min(...bits), Math.max(...bits)];
  const facts = { name: "layer", codec: kind, ...shape, seedBits, bits: highest, followsPrecision: true, ...group };
  return syntheticNestedWeight(facts, seed);
}

/** Bytes of one product, as stored: dense numbers, or planes and the table or scales of one precision. */
function bytesRead(weight: LinearWeight, precision: number): number {
  if (weight.codec === "dense") return weight.data.byteLength;
  return storedLayerOf(nestedLayerSource("layer", weight, { followsPrecision: true })).bytesAt(precision);
}

function warnIfWarm(walkBytes: number, kind: WeightKind, session: Session): void {
  const cache = lastLevelCacheBytes();
  if (cache === undefined || walkBytes >= CACHE_MULTIPLE * cache) return;
  session.note(
    `warning: one walk over the ${kind} copies reads ${(walkBytes / 1e6).toFixed(0)} MB at the fewest bits, the last-level cache holds ${(cache / 1e6).toFixed(0)} MB; raise --cold-megabytes for a cold case`,
  );
}

/** One matrix, or the different layers of a preset. */
function readShapes(text: string): readonly Shape[] {
  const preset = Object.hasOwn(modelShapes, text) ? modelShapes[text] : undefined;
  if (preset !== undefined) return distinctShapes(layersOf(preset.config, preset.title));
  const match = /^(\d+)x(\d+)$/.exec(text);
  const [rows, columns] = [Number(match?.[1]), Number(match?.[2])];
  const isSide = (side: number): boolean => side >= 1 && side <= MAXIMUM_SIDE;
  if (!isSide(rows) || !isSide(columns)) {
    throw new BadUse(
      `Expected ROWSxCOLUMNS, for example 4096x11008, or one of ${Object.keys(modelShapes).join(", ")}; got "${text}".`,
    );
  }
  return [{ rows, columns }];
}
