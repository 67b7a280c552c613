/** Models of a suite, loaded into every engine: files once per engine, synthetic weights once per codec and engine. */
import { InvalidArgumentError, type Precision } from "@stepdown/core";
import type { Engine, ModelRunner } from "../engines/engine.js";
import type { ChosenModel } from "../options/model-source.js";
import type { Session } from "../session.js";
import { createSyntheticCheckpoint } from "../synthetic/synthetic-model.js";
import { groupSizeFor, isNestedKind } from "../synthetic/weight-kinds.js";

/** A loaded model and the precisions to measure. */
export interface LoadedRunner {
  readonly engine: Engine;
  readonly runner: ModelRunner;
  readonly bits: readonly Precision[];
  /** Columns of the widest common group of binary-coded weights, where it is known. */
  readonly groupSize?: number;
}

/** Loads everything that was chosen; the caller disposes of the runners, also after an error. */
export async function loadRunners(
  model: ChosenModel,
  engines: readonly Engine[],
  session: Session,
  loaded: LoadedRunner[],
): Promise<void> {
  for (const engine of engines) {
    if (engine.loadModel === undefined) {
      session.note(`${engine.name} cannot run models; left out`);
      continue;
    }
    const wait = { signal: session.signal };
    if (model.kind === "files") {
      const runner = await engine.loadModel({ path: model.path }, { precisions: model.bits, ...wait });
      loaded.push({ engine, runner, bits: model.bits ?? runner.precisions });
      if (model.bits?.some((bits) => !runner.precisions.includes(bits))) {
        throw new InvalidArgumentError(
          `${model.path} can be run at ${runner.precisions.join(", ")} bits, not at ${model.bits.join(", ")}. Change or leave out --bits.`,
        );
      }
      continue;
    }
    for (const kind of model.codecs) {
      const { name, config } = model;
      const [seedBits, bits] = [Math.min(...model.bits), Math.max(...model.bits)];
      session.note(`${engine.name}: making the weights of ${name}, ${kind}`);
      const checkpoint = createSyntheticCheckpoint({ name, config, kind, seedBits, bits, seed: session.options.seed });
      const precisions = isNestedKind(kind) ? checkpoint.precisions : undefined;
      const runner = await engine.loadModel({ checkpoint }, { precisions, ...wait });
      const group = kind === "bcq" ? { groupSize: groupSizeFor(Number(config.hidden_size)) } : {};
      loaded.push({ engine, runner, bits: isNestedKind(kind) ? model.bits : runner.precisions, ...group });
    }
  }
  if (loaded.length === 0)
    throw new InvalidArgumentError("None of the chosen engines can run models. Choose another --engine.");
}

/** Ids to feed, spread over the vocabulary. */
export function tokenIds(count: number, vocabularySize: number): number[] {
  // A large odd step visits the vocabulary in no order that a cache would know.
  return Array.from({ length: count }, (_, index) => (index * 7919 + 13) % vocabularySize);
}

/** Throws when a pass gave numbers that no working model gives: what was timed would not be the work that was asked for. */
export function requireFinite(values: Float32Array, what: string): void {
  if (values.every(Number.isFinite) && values.some((value) => value !== 0)) return;
  throw new Error(`${what}: the results are not finite numbers, or all zero; this cannot be measured.`);
}
