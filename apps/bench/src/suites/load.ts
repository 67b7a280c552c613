/** `load`: from nothing to a model that can run: kernels started, files opened, checked, read and laid out. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidArgumentError } from "@stepdown/core";
import { openCheckpoint, writeNestedModel } from "@stepdown/model-format";
import { describeCheckpoint } from "@stepdown/runtime";
import type { Command } from "commander";
import { collectGarbage } from "../collect-garbage.js";
import { engineList } from "../engines/engine-list.js";
import type { BusyThreads } from "../measurement/load-watch.js";
import {
  addModelOptions,
  type ChosenModel,
  chooseModel,
  type ModelOptions,
  modelFacts,
} from "../options/model-source.js";
import { engineReport, type Session, type SuiteVariant } from "../session.js";
import { syntheticModelSources } from "../synthetic/synthetic-model.js";
import { isNestedKind } from "../synthetic/weight-kinds.js";
import type { Suite } from "./suite.js";

/** Files come from the system's cache, so little of the time is waiting; what is, differs from system to system. */
const LOADING: BusyThreads = { threads: 1, share: 0.7 };

/** The suite. */
export const loadSuite: Suite<ModelOptions> = {
  name: "load",
  description: "Time opening and loading a model up to several precisions; its files are in the system's file cache.",
  examples: [
    ["load --model my-model --bits 2,4", "how much sooner 2 bits are ready than 4"],
    ["load --shape 135m --bits 2,3,4", "a synthetic model, written to a temporary directory first"],
  ],
  defaults: { warmUp: 1, repetitions: 7 },
  addOptions(command: Command) {
    addModelOptions(command);
  },
  async run(session, options) {
    const model = await chooseModel(options);
    if (model.kind === "files") return measureLoads(model.path, model.name, modelFacts(model), model.bits, session);
    const directory = await mkdtemp(join(tmpdir(), "stepdown-bench-"));
    try {
      for (const kind of model.codecs) {
        const path = join(directory, kind);
        await writeSynthetic(model, kind, path, session);
        await measureLoads(path, `${model.name}, ${kind}`, modelFacts(model), model.bits, session);
      }
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};

async function measureLoads(
  path: string,
  name: string,
  facts: ReturnType<typeof modelFacts>,
  wanted: readonly number[] | undefined,
  session: Session,
): Promise<void> {
  await using checkpoint = await openCheckpoint(path, { verify: "never", signal: session.signal });
  const { description, loadedBytes } = describeCheckpoint(checkpoint);
  const bits = wanted ?? checkpoint.precisions;
  const absent = bits.filter((precision) => !checkpoint.precisions.includes(precision));
  if (absent.length > 0) {
    throw new InvalidArgumentError(
      `${path} holds ${checkpoint.precisions.join(", ")} bits, not ${absent.join(", ")}. Change or leave out --bits.`,
    );
  }
  const variants: SuiteVariant[] = [];
  for (const engineName of session.options.engine) {
    const start = engineList[engineName]!.start;
    await using engine = await start(session.signal);
    session.engines.set(engineName, engineReport(engine));
    if (engine.loadModel === undefined) {
      session.note(`${engineName} loads no models; left out`);
      continue;
    }
    for (const precision of bits) {
      variants.push({
        engine: engineName,
        threads: engine.threads,
        codec: description.codec,
        bits: precision,
        bytes: loadedBytes(precision),
        work: description.parameters,
        workUnit: "weights",
        once: true,
        busy: LOADING,
        settle: collectGarbage,
        async run() {
          const precisions = checkpoint.precisions.filter((each) => each <= precision);
          await using started = await start(session.signal);
          await using _runner = await started.loadModel!({ path }, { precisions, signal: session.signal });
        },
      });
    }
  }
  if (variants.length === 0)
    throw new InvalidArgumentError("None of the chosen engines loads models. Choose another --engine.");
  await session.measure("load", { name, ...facts }, variants);
}

async function writeSynthetic(
  model: Extract<ChosenModel, { kind: "synthetic" }>,
  kind: (typeof model.codecs)[number],
  path: string,
  session: Session,
): Promise<void> {
  if (!isNestedKind(kind)) {
    throw new InvalidArgumentError(
      `load: synthetic models are nested; --codec ${kind} is dense. Use --model with a float checkpoint.`,
    );
  }
  session.note(`writing ${model.name}, ${kind}`);
  const [seedBits, bits] = [Math.min(...model.bits), Math.max(...model.bits)];
  const { name, config } = model;
  const sources = syntheticModelSources({ name, config, kind, seedBits, bits, seed: session.options.seed });
  await writeNestedModel({ directory: path, config, ...sources, signal: session.signal });
}
