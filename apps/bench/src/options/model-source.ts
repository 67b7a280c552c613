/** Which model a suite measures: files (`--model`), or a shape with synthetic weights (`--shape`). */
import { readFile } from "node:fs/promises";
import { InvalidArgumentError, InvalidFileError, MissingFileError } from "@stepdown/core";
import type { Command } from "commander";
import { type ModelConfig, modelShapes } from "../synthetic/model-shapes.js";
import { type WeightKind, weightKinds } from "../synthetic/weight-kinds.js";
import { bitList, list, oneOf } from "./parse.js";

/** Values of {@link addModelOptions}. */
export interface ModelOptions {
  readonly model?: string;
  readonly shape?: string;
  readonly bits?: readonly number[];
  readonly codec?: readonly WeightKind[];
}

/** A model to be measured, before it is opened. */
export type ChosenModel =
  | { readonly kind: "files"; readonly name: string; readonly path: string; readonly bits?: readonly number[] }
  | {
      readonly kind: "synthetic";
      readonly name: string;
      /** The value of `--shape`. */
      readonly shape: string;
      readonly config: ModelConfig;
      readonly bits: readonly number[];
      readonly codecs: readonly WeightKind[];
    };

/** What is measured when neither model nor shape is given. */
const DEFAULT_SHAPE = "135m";
/** Bits of a synthetic model when none are given. */
const DEFAULT_BITS: readonly number[] = [2, 3, 4];

/** Adds the options to a command. */
export function addModelOptions(command: Command): Command {
  return command
    .option("--model <path>", "nested model directory, float checkpoint directory or GGUF file")
    .option("--shape <shape>", `synthetic weights: ${Object.keys(modelShapes).join(", ")}, or a config.json`)
    .option("--bits <list>", "precisions, for example 2,3,4 (default: all of a model, 2,3,4 of a shape)", bitList)
    .option("--codec <list>", `of synthetic weights: ${weightKinds.join(", ")}`, list(oneOf(weightKinds)));
}

/** Reads the options; a shape's configuration is read from its file, but not checked yet. */
export async function chooseModel(options: ModelOptions): Promise<ChosenModel> {
  const { model, shape = DEFAULT_SHAPE, bits, codec } = options;
  if (model !== undefined) {
    const useless = options.shape !== undefined ? "--shape" : codec !== undefined ? "--codec" : undefined;
    if (useless !== undefined) {
      throw new InvalidArgumentError(`--model ${model} and ${useless} exclude each other; leave one of them out.`);
    }
    return { kind: "files", name: model, path: model, ...(bits === undefined ? {} : { bits }) };
  }
  const preset = Object.hasOwn(modelShapes, shape) ? modelShapes[shape] : undefined;
  const config = preset?.config ?? (await readShapeFile(shape));
  return {
    kind: "synthetic",
    shape,
    name: preset === undefined ? shape : `${preset.title} shape`,
    config,
    bits: bits ?? DEFAULT_BITS,
    codecs: codec ?? ["codebook"],
  };
}

/** What a row says of the model. */
export function modelFacts(model: ChosenModel): { readonly model?: string; readonly shape?: string } {
  return model.kind === "files" ? { model: model.path } : { shape: model.shape };
}

/** A `config.json` in the form of Hugging Face. */
async function readShapeFile(path: string): Promise<ModelConfig> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new MissingFileError(
      `--shape ${path} is neither a preset (${Object.keys(modelShapes).join(", ")}) nor a config.json that can be read: ${(cause as Error).message}`,
      { cause },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InvalidFileError(`${path} is no JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidFileError(`${path} must hold a JSON object like a model's config.json.`);
  }
  return value as ModelConfig;
}
