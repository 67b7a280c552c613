import { InvalidFileError, MissingFileError, type Precision, UnsupportedError, type WaitOptions } from "@stepdown/core";
import { createAnyPrecisionCheckpoint } from "./any-precision/create-any-precision-checkpoint.js";
import { createFloatCheckpoint } from "./float-checkpoint.js";
import { openGgufCheckpoint } from "./gguf/open-gguf-checkpoint.js";
import { isRecord, type JsonRecord, member, readJsonObject } from "./json.js";
import { openNestedCheckpoint } from "./nested/open-nested-checkpoint.js";
import { QUANTIZATION_METHOD } from "./nested/quantization-config.js";
import type { OpenedCheckpoint } from "./opened-checkpoint.js";
import { floatTensorsOf, openTensorSet } from "./safetensors/open-tensor-set.js";
import type { ByteSource } from "./sources/byte-source.js";
import type { ModelDirectory } from "./sources/model-directory.js";
import { resolveLocation } from "./sources/resolve-location.js";

/** Where a model is: a path or URL of a directory or `.gguf` file, files held otherwise, or a GGUF file's bytes. */
export type CheckpointLocation = string | URL | ModelDirectory | ByteSource | Blob;

/** Options of {@link openCheckpoint}. */
export interface OpenCheckpointOptions extends WaitOptions {
  /** Highest precision that will be used of a nested model; shards of higher ones are not touched. Default: all. */
  maximumPrecision?: Precision;
  /**
   * Whether shards of a nested model are compared with their checksums before first use: all (`always`), none (`never`) or
   * those that are local (`auto`, the default), since over a network that means fetching all of a shard.
   */
  verify?: "auto" | "always" | "never";
}

/**
 * Opens a model: a nested model directory, a Hugging Face directory of float or Any-Precision safetensors, a directory with one GGUF file, or
 * such a file. Headers are read and checked; weights are read when asked for.
 */
export async function openCheckpoint(
  location: CheckpointLocation,
  options: OpenCheckpointOptions = {},
): Promise<OpenedCheckpoint> {
  const read = { signal: options.signal };
  options.signal?.throwIfAborted();
  const resolved = await resolveLocation(location, read);
  if (resolved.file !== undefined) return openGgufCheckpoint(resolved.file, read);
  const { directory } = resolved;

  const config = await readJsonObject(directory, "config.json", read);
  const quantization = config === undefined ? undefined : member(config, "quantization_config");
  if (config !== undefined && isRecord(quantization)) {
    if (member(quantization, "quant_method") === QUANTIZATION_METHOD) {
      return openNestedCheckpoint(directory, config, quantization, options);
    }
    throw new UnsupportedError(
      `${directory.location}: is quantized by ${JSON.stringify(member(quantization, "quant_method") ?? "an unnamed method").slice(0, 80)}, which is not read here; start from the float checkpoint`,
    );
  }
  const set = await openTensorSet(directory, read);
  if (set !== undefined) {
    if (config === undefined) {
      throw new MissingFileError(
        `${directory.location}: has safetensors but no config.json, which says what model they are`,
      );
    }
    const anyPrecision = member(config, "anyprec");
    if (isRecord(anyPrecision)) return createAnyPrecisionCheckpoint(directory, config, anyPrecision, set, options);
    return createFloatCheckpoint({ location: directory.location, config, tensors: floatTensorsOf(set), directory });
  }
  return openGgufDirectory(directory, config, options);
}

async function openGgufDirectory(
  directory: ModelDirectory,
  config: JsonRecord | undefined,
  options: OpenCheckpointOptions,
): Promise<OpenedCheckpoint> {
  const read = { signal: options.signal };
  const names = ((await directory.list?.(read)) ?? []).filter((name) => name.toLowerCase().endsWith(".gguf"));
  if (names.length > 1) {
    throw new InvalidFileError(
      `${directory.location}: has ${names.length} .gguf files (${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}); name the one to open`,
    );
  }
  const source = names[0] === undefined ? undefined : await directory.open(names[0], read);
  if (source !== undefined) {
    return openGgufCheckpoint(source, { ...read, directory, ...(config === undefined ? {} : { config }) });
  }
  throw new MissingFileError(
    config === undefined
      ? `${directory.location}: is no model: found no config.json, *.safetensors or *.gguf`
      : `${directory.location}: is no model that can be read: found config.json but no *.safetensors or *.gguf (pickles such as *.bin are not read)`,
  );
}
