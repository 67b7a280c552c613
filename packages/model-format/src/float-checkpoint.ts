import {
  type DenseWeight,
  InvalidFileError,
  type LinearWeight,
  MissingFileError,
  type StoredTensor,
  type WaitOptions,
} from "@stepdown/core";
import type { JsonRecord } from "./json.js";
import type { OpenedCheckpoint } from "./opened-checkpoint.js";
import type { ByteReadOptions } from "./sources/byte-source.js";
import type { ModelDirectory } from "./sources/model-directory.js";
import { parseTextAssets, readTextAssetFiles } from "./text-assets.js";

/** A tensor that can be read as numbers, whatever file it lies in. */
export interface FloatTensor extends StoredTensor {
  readFloat32(options?: ByteReadOptions): Promise<Float32Array>;
  /** 16-bit patterns, where the tensor is stored as F16 or BF16. */
  readPatterns?(options?: ByteReadOptions): Promise<Uint16Array>;
}

/** What a float checkpoint is put together from. */
export interface FloatCheckpointParts {
  readonly location: string;
  readonly config: JsonRecord;
  /** By Hugging Face name. */
  readonly tensors: ReadonlyMap<string, FloatTensor>;
  /** Where tokenizer files are looked for. */
  readonly directory?: ModelDirectory;
  /** `tokenizer.*` metadata, where the weights come from a GGUF file. */
  readonly ggufMetadata?: Readonly<Record<string, unknown>>;
}

/** A checkpoint of kind "float" over tensors of any file format. It owns nothing: sources hold no handles. */
export function createFloatCheckpoint(parts: FloatCheckpointParts): OpenedCheckpoint {
  const { location, tensors } = parts;
  const assets = (options: WaitOptions = {}) =>
    readTextAssetFiles(parts.directory, parts.ggufMetadata, { signal: options.signal });

  return {
    kind: "float",
    location,
    config: parts.config,
    tensors,
    nestedLayers: new Map(),
    precisions: [precisionOf(tensors)],
    has: (name) => tensors.has(name),
    async readFloat32(name, options) {
      return findTensor(tensors, name, location).readFloat32({ signal: options?.signal });
    },
    async readLinear(name, options) {
      return readDense(findTensor(tensors, `${name}.weight`, location), `${name}.weight`, location, options);
    },
    async readTextAssets(options) {
      return parseTextAssets(await assets(options), location);
    },
    readTextAssetFiles: assets,
    async [Symbol.asyncDispose]() {},
  };
}

/** A tensor by name, or `MissingFileError`. */
export function findTensor(tensors: ReadonlyMap<string, FloatTensor>, name: string, location: string): FloatTensor {
  const tensor = tensors.get(name);
  if (tensor !== undefined) return tensor;
  const [first] = tensors.keys();
  throw new MissingFileError(
    `${location}: holds no tensor "${name}" among its ${tensors.size}${first === undefined ? "" : ` ("${first}", …)`}`,
  );
}

/** A matrix in its stored 16-bit format, or as float32. */
export async function readDense(
  tensor: FloatTensor,
  name: string,
  location: string,
  options: WaitOptions = {},
): Promise<DenseWeight & LinearWeight> {
  const [rows, columns] = tensor.shape;
  if (tensor.shape.length !== 2 || rows === undefined || columns === undefined) {
    throw new InvalidFileError(
      `${location}: "${name}" has shape [${tensor.shape.join(", ")}], a linear layer needs two dimensions`,
    );
  }
  const read = { signal: options.signal };
  if (tensor.readPatterns !== undefined && (tensor.type === "F16" || tensor.type === "BF16")) {
    const type = tensor.type === "F16" ? "f16" : "bf16";
    return { codec: "dense", rows, columns, type, data: await tensor.readPatterns(read) };
  }
  return { codec: "dense", rows, columns, type: "f32", data: await tensor.readFloat32(read) };
}

/** 16 where every matrix is stored in 16 bits; 32 otherwise (quantized GGUF types are read as float32). */
function precisionOf(tensors: ReadonlyMap<string, StoredTensor>): number {
  let matrices = 0;
  for (const tensor of tensors.values()) {
    if (tensor.shape.length < 2) continue;
    if (tensor.type !== "F16" && tensor.type !== "BF16") return 32;
    matrices++;
  }
  return matrices > 0 ? 16 : 32;
}
