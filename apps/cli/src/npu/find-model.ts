/**
 * The model a command line names: a built-in shape, a `config.json`, a directory with one, or a GGUF file. Only shapes
 * matter; weights need not be there.
 */
import { join } from "node:path";
import {
  InvalidArgumentError,
  InvalidFileError,
  MAXIMUM_NESTED_PRECISION,
  MissingFileError,
  UnsupportedError,
} from "@stepdown/core";
import { openCheckpoint } from "@stepdown/model-format";
import {
  type CodecDescription,
  type HeadBits,
  type ModelShape,
  modelShapeFromConfig,
  modelShapes,
} from "@stepdown/npu-model";
import { findByBeginning, findName, unknownName } from "./nearest-name.js";
import { isObject, type JsonObject, kindOfPath, looksLikePath, readJsonObject } from "./read-json-file.js";

/** A model's shape, and how it is stored where that is known. */
export interface FoundModel {
  readonly shape: ModelShape;
  /** Of a nested model. */
  readonly codec?: CodecDescription;
  /** Bits of a nested model's embedding and head. */
  readonly headBits?: HeadBits;
}

/** Columns that share their scales in binary-coded models that do not say it. */
const USUAL_GROUP_SIZE = 128;

/** Models with the shapes of a built-in one. */
const SAME_SHAPES: ReadonlyMap<string, string> = new Map([["llama-2-7b", "lmsys/vicuna-7b-v1.5"]]);

/** Finds a model. Throws `InvalidArgumentError` for an unknown name, and what reading a file throws. */
export async function findModel(name: string, signal: AbortSignal): Promise<FoundModel> {
  const known = [...modelShapes.keys()];
  const found = findName(name, known);
  if (found !== undefined) return { shape: modelShapes.get(found)! };
  const kind = await kindOfPath(name);
  if (kind === undefined) {
    const meant = SAME_SHAPES.get(name.toLowerCase()) ?? findByBeginning(name, known);
    if (meant !== undefined) return { shape: modelShapes.get(meant)! };
    if (looksLikePath(name))
      throw new MissingFileError(`Cannot read --model ${name}: there is no such file or directory.`);
    throw unknownName("model", name, known, ", or give a model directory or a config.json");
  }
  const config = await readConfig(name, kind, signal);
  return { shape: shapeOf(config, name), ...storageOf(config) };
}

function shapeOf(config: JsonObject, name: string): ModelShape {
  try {
    return modelShapeFromConfig(config, { name });
  } catch (cause) {
    if (cause instanceof UnsupportedError) throw new UnsupportedError(`${name}: ${cause.message}`, { cause });
    if (cause instanceof InvalidArgumentError) throw new InvalidFileError(`${name}: ${cause.message}`, { cause });
    throw cause;
  }
}

async function readConfig(path: string, kind: "file" | "directory", signal: AbortSignal): Promise<JsonObject> {
  if (kind === "file" && path.endsWith(".json")) return await readJsonObject(path);
  const inside = join(path, "config.json");
  if (kind === "directory" && (await kindOfPath(inside)) === "file") return await readJsonObject(inside);
  await using checkpoint = await openCheckpoint(path, { verify: "never", signal });
  return checkpoint.config;
}

/** Codec and head of a nested model, from the metadata in its configuration. */
function storageOf(config: JsonObject): Omit<FoundModel, "shape"> {
  if (isObject(config.anyprec)) return { codec: { codec: "codebook" } };
  const nested = config.quantization_config;
  if (!isObject(nested)) return {};
  const head = nested.head_bits;
  const headBits =
    typeof head === "number" && Number.isInteger(head) && head >= 1 && head <= MAXIMUM_NESTED_PRECISION
      ? { headBits: head }
      : {};
  if (nested.codec === "uniform") return { codec: { codec: "uniform" }, ...headBits };
  if (nested.codec === "codebook") {
    const groups = typeof nested.group_count === "number" ? { groupCount: nested.group_count } : {};
    return { codec: { codec: "codebook", ...groups }, ...headBits };
  }
  if (nested.codec !== "bcq") return headBits;
  const groupSize = typeof nested.group_size === "number" ? nested.group_size : USUAL_GROUP_SIZE;
  return { codec: { codec: "bcq", groupSize, offsets: nested.offsets === true }, ...headBits };
}
