import { InvalidFileError, MissingFileError, type Precision } from "@stepdown/core";
import { integerWithin, isRecord, member, readJsonObject } from "../json.js";
import { parseWeightMap, SAFETENSORS_INDEX_FILE } from "../safetensors/open-tensor-set.js";
import type { ByteReadOptions } from "../sources/byte-source.js";
import type { ModelDirectory } from "../sources/model-directory.js";
import type { NestedQuantization } from "./quantization-config.js";

/** One shard of a nested model as the index lists it. */
export interface ShardEntry {
  readonly file: string;
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** The precision that needs this shard and all before it. */
  readonly bits: Precision;
}

/** The index of a nested model. */
export interface ShardIndex {
  /** One per precision, ascending; the first holds everything that is not nested as well. */
  readonly shards: readonly ShardEntry[];
  /** Tensor name to file name. */
  readonly weightMap: ReadonlyMap<string, string>;
}

/** Reads the index of a nested model and checks it against the precisions that the configuration names. */
export async function readShardIndex(
  directory: ModelDirectory,
  quantization: NestedQuantization,
  options: ByteReadOptions = {},
): Promise<ShardIndex> {
  const label = `${directory.location}: ${SAFETENSORS_INDEX_FILE}`;
  const index = await readJsonObject(directory, SAFETENSORS_INDEX_FILE, options);
  if (index === undefined)
    throw new MissingFileError(`${label} is missing; a nested model needs it, fetch the model again`);
  const weightMap = parseWeightMap(member(index, "weight_map"), directory.location);
  const metadata = member(index, "metadata");
  const list = isRecord(metadata) ? member(metadata, "shards") : undefined;
  if (!Array.isArray(list)) throw new InvalidFileError(`${label} has no metadata.shards`);
  const expected = quantization.bits - quantization.seedBits + 1;
  if (list.length !== expected) {
    throw new InvalidFileError(
      `${label} lists ${list.length} shards, ${quantization.seedBits} to ${quantization.bits} bits in config.json need ${expected}`,
    );
  }
  const files = new Set<string>();
  const shards = list.map((entry: unknown, i): ShardEntry => {
    const shard = isRecord(entry) ? entry : {};
    const file = member(shard, "file");
    const sha256 = member(shard, "sha256");
    const bytes = integerWithin(member(shard, "bytes"), 0, Number.MAX_SAFE_INTEGER);
    const bits = member(shard, "bits");
    if (typeof file !== "string" || files.has(file) || bytes === undefined) {
      throw new InvalidFileError(`${label}: shard ${i + 1} needs a file of its own and its bytes`);
    }
    if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) {
      throw new InvalidFileError(
        `${label}: shard ${file.slice(0, 80)} has no SHA-256 of 64 lower-case hexadecimal digits`,
      );
    }
    if (bits !== quantization.seedBits + i) {
      throw new InvalidFileError(
        `${label}: shard ${file.slice(0, 80)} is for ${JSON.stringify(bits ?? null).slice(0, 40)} bits, expected ${quantization.seedBits + i}`,
      );
    }
    files.add(file);
    return { file, bytes, sha256, bits: quantization.seedBits + i };
  });
  for (const [tensor, file] of weightMap) {
    if (!files.has(file)) {
      throw new InvalidFileError(
        `${label}: "${tensor.slice(0, 80)}" lies in ${file.slice(0, 80)}, which is no listed shard`,
      );
    }
  }
  return { shards, weightMap };
}
