import { InvalidFileError, MissingFileError } from "@stepdown/core";
import type { FloatTensor } from "../float-checkpoint.js";
import { isRecord, member, readJsonObject } from "../json.js";
import { MAXIMUM_SHARDS } from "../limits.js";
import { asUint16 } from "../numbers/views.js";
import type { ByteReadOptions } from "../sources/byte-source.js";
import type { ModelDirectory } from "../sources/model-directory.js";
import { openSafetensors, type SafetensorsFile } from "./open-safetensors.js";

/** Name of the index that says which shard holds which tensor. */
export const SAFETENSORS_INDEX_FILE = "model.safetensors.index.json";

/** Name of the one file of a model that is not sharded. */
export const SAFETENSORS_FILE = "model.safetensors";

/** Tensors of all safetensors files of a directory, each with the file it lies in. */
export type TensorSet = ReadonlyMap<string, SafetensorsFile>;

/**
 * Opens the safetensors files of a directory: by its index, else `model.safetensors`, else the only file of that kind.
 * Returns `undefined` where there is none.
 */
export async function openTensorSet(
  directory: ModelDirectory,
  options: ByteReadOptions = {},
): Promise<TensorSet | undefined> {
  const index = await readJsonObject(directory, SAFETENSORS_INDEX_FILE, options);
  if (index !== undefined) {
    return openShards(directory, parseWeightMap(member(index, "weight_map"), directory.location), options);
  }
  let source = await directory.open(SAFETENSORS_FILE, options);
  if (source === undefined) {
    const names = ((await directory.list?.(options)) ?? []).filter((name) => name.endsWith(".safetensors"));
    if (names.length > 1) {
      throw new MissingFileError(
        `${directory.location}: has ${names.length} .safetensors files but no ${SAFETENSORS_INDEX_FILE} that says what lies where`,
      );
    }
    source = names[0] === undefined ? undefined : await directory.open(names[0], options);
  }
  if (source === undefined) return undefined;
  const file = await openSafetensors(source, options);
  return new Map([...file.tensors.keys()].map((name) => [name, file]));
}

/** Checks a `weight_map`: tensor name to file name. */
export function parseWeightMap(value: unknown, location: string): ReadonlyMap<string, string> {
  if (!isRecord(value)) throw new InvalidFileError(`${location}: ${SAFETENSORS_INDEX_FILE} has no weight_map`);
  const map = new Map<string, string>();
  for (const [tensor, file] of Object.entries(value)) {
    if (typeof file !== "string") {
      throw new InvalidFileError(`${location}: ${SAFETENSORS_INDEX_FILE} names no file for "${tensor.slice(0, 80)}"`);
    }
    map.set(tensor, file);
  }
  return map;
}

async function openShards(
  directory: ModelDirectory,
  weightMap: ReadonlyMap<string, string>,
  options: ByteReadOptions,
): Promise<TensorSet> {
  const { location } = directory;
  const names = [...new Set(weightMap.values())].sort();
  if (names.length === 0 || names.length > MAXIMUM_SHARDS) {
    throw new InvalidFileError(
      `${location}: ${SAFETENSORS_INDEX_FILE} names ${names.length} files, expected 1 to ${MAXIMUM_SHARDS}`,
    );
  }
  const set = new Map<string, SafetensorsFile>();
  for (const name of names) {
    const source = await directory.open(name, options);
    if (source === undefined) {
      throw new MissingFileError(
        `${location}: shard ${name} is missing; ${SAFETENSORS_INDEX_FILE} names it, fetch it again`,
      );
    }
    const file = await openSafetensors(source, options);
    for (const tensor of file.tensors.keys()) {
      if (weightMap.get(tensor) !== name) {
        throw new InvalidFileError(
          `${location}: ${name} holds "${tensor}", the index says ${weightMap.get(tensor) ?? "nothing of it"}`,
        );
      }
      set.set(tensor, file);
    }
  }
  for (const [tensor, name] of weightMap) {
    if (!set.has(tensor))
      throw new InvalidFileError(`${location}: the index promises "${tensor}" in ${name}, it is not there`);
  }
  return set;
}

/** The tensors of a set in the form that checkpoints are made of. */
export function floatTensorsOf(set: TensorSet): Map<string, FloatTensor> {
  const tensors = new Map<string, FloatTensor>();
  for (const [name, file] of set) {
    const entry = file.tensors.get(name);
    if (entry === undefined) continue;
    const { type, shape, bytes } = entry;
    const sixteen = type === "F16" || type === "BF16";
    tensors.set(name, {
      type,
      shape,
      bytes,
      readFloat32: (options) => file.readFloat32(name, options),
      ...(sixteen
        ? { readPatterns: async (options?: ByteReadOptions) => asUint16(await file.readBytes(name, options)) }
        : {}),
    });
  }
  return tensors;
}
