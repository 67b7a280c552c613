import {
  InvalidFileError,
  MAXIMUM_NESTED_PRECISION,
  type Precision,
  PrecisionUnavailableError,
  UnsupportedError,
  type WaitOptions,
} from "@stepdown/core";
import { findTensor, readDense } from "../float-checkpoint.js";
import { integerWithin, isRecord, type JsonRecord, member } from "../json.js";
import { dequantizeNested } from "../nested/dequantize-nested.js";
import { type LayerFacts, type NestedLayerPart, storedLayerOf } from "../nested/layer-facts.js";
import { planeRowBytes } from "../nested/planes.js";
import { readNestedWeight, windowOf } from "../nested/read-nested-weight.js";
import type { OpenedCheckpoint } from "../opened-checkpoint.js";
import type { SafetensorsFile } from "../safetensors/open-safetensors.js";
import { floatTensorsOf, type TensorSet } from "../safetensors/open-tensor-set.js";
import type { ModelDirectory } from "../sources/model-directory.js";
import { parseTextAssets, readTextAssetFiles } from "../text-assets.js";
import { restorePlaneOrder } from "./plane-order.js";

/** Options of {@link createAnyPrecisionCheckpoint}. */
export interface AnyPrecisionCheckpointOptions extends WaitOptions {
  /** Highest precision that will be used. Default: all. */
  maximumPrecision?: Precision;
}

/**
 * A model packed by the Any-Precision LLM tools, its state dictionary in safetensors instead of a pickle: `{layer}.qweight`
 * I32 `[bits, N, K/32]` and `{layer}.lut{p}` F16 `[N, 2^p]`, described by `anyprec` in `config.json`.
 *
 * Planes lie one after the other in `qweight`, so that a precision reads only its own planes here as well. Outliers kept
 * apart (dense-and-sparse) are not supported.
 */
export async function createAnyPrecisionCheckpoint(
  directory: ModelDirectory,
  config: JsonRecord,
  anyPrecision: JsonRecord,
  set: TensorSet,
  options: AnyPrecisionCheckpointOptions = {},
): Promise<OpenedCheckpoint> {
  const { location } = directory;
  const { seedBits, bits } = parseAnyPrecision(anyPrecision, location);
  const maximum = options.maximumPrecision ?? bits;
  if (!Number.isInteger(maximum) || maximum < seedBits || maximum > bits) {
    throw new PrecisionUnavailableError(
      `${location}: maximumPrecision ${maximum} asked for, the model has ${seedBits} to ${bits} bits`,
    );
  }
  const layers = findLayers(set, seedBits, bits, location);
  const all = floatTensorsOf(set);
  const floats = new Map([...all].filter(([name]) => !layers.has(name.replace(/\.(qweight|lut\d)$/, ""))));
  const read = (layer: LayerFacts, wait: WaitOptions) => (part: NestedLayerPart) => readPart(set, layer, part, wait);
  const readLayer = (
    layer: LayerFacts,
    wanted: { minimumPrecision?: Precision; maximumPrecision?: Precision },
    wait: WaitOptions,
  ) => readNestedWeight(layer, windowOf(layer, maximum, wanted, location), read(layer, wait), location);
  const assets = (wait: WaitOptions = {}) => readTextAssetFiles(directory, undefined, { signal: wait.signal });
  const nestedOf = (name: string) =>
    name.endsWith(".weight") ? layers.get(name.slice(0, -".weight".length)) : undefined;

  return {
    kind: "nested",
    location,
    config,
    tensors: all,
    nestedLayers: new Map([...layers].map(([name, layer]) => [name, storedLayerOf(layer)])),
    precisions: Array.from({ length: maximum - seedBits + 1 }, (_, i) => seedBits + i),
    has: (name) => floats.has(name) || nestedOf(name) !== undefined,
    async readFloat32(name, wait = {}) {
      const layer = nestedOf(name);
      if (layer === undefined) return findTensor(floats, name, location).readFloat32({ signal: wait.signal });
      return dequantizeNested(await readLayer(layer, {}, wait));
    },
    async readLinear(name, wanted = {}) {
      const layer = layers.get(name);
      if (layer !== undefined) return readLayer(layer, wanted, wanted);
      return readDense(findTensor(floats, `${name}.weight`, location), `${name}.weight`, location, wanted);
    },
    async readTextAssets(wait) {
      return parseTextAssets(await assets(wait), location);
    },
    readTextAssetFiles: assets,
    async [Symbol.asyncDispose]() {},
  };
}

function parseAnyPrecision(config: JsonRecord, location: string): { seedBits: Precision; bits: Precision } {
  const label = `${location}: config.json, anyprec`;
  const bits = integerWithin(member(config, "parent_precision"), 1, MAXIMUM_NESTED_PRECISION);
  const seedBits = integerWithin(member(config, "seed_precision"), 1, bits ?? MAXIMUM_NESTED_PRECISION);
  if (bits === undefined || seedBits === undefined) {
    throw new InvalidFileError(`${label} needs 1 ≤ seed_precision ≤ parent_precision ≤ ${MAXIMUM_NESTED_PRECISION}`);
  }
  const groups = member(config, "group_count") ?? 1;
  if (groups !== 1) {
    throw new UnsupportedError(`${label}: group_count ${JSON.stringify(groups).slice(0, 40)} is not supported, only 1`);
  }
  const sparse = member(config, "sparse_numvals");
  if (isRecord(sparse) && Object.values(sparse).some((count) => count !== 0)) {
    throw new UnsupportedError(
      `${label}: outliers kept in sparse tensors are not supported; pack the model without them`,
    );
  }
  return { seedBits, bits };
}

function findLayers(
  set: TensorSet,
  seedBits: Precision,
  bits: Precision,
  location: string,
): ReadonlyMap<string, LayerFacts> {
  const layers = new Map<string, LayerFacts>();
  for (const [tensor, file] of set) {
    if (!tensor.endsWith(".qweight")) continue;
    const name = tensor.slice(0, -".qweight".length);
    const entry = file.tensors.get(tensor);
    const [planes, rows, words] = entry?.shape ?? [];
    if (entry?.type !== "I32" || entry.shape.length !== 3 || planes !== bits || !rows || !words) {
      throw new InvalidFileError(
        `${location}: "${tensor}" is ${entry?.type} [${entry?.shape.join(", ")}], expected I32 [${bits}, rows, columns / 32]`,
      );
    }
    if (set.has(`${name}.rows`) || set.has(`${name}.vals`)) {
      throw new UnsupportedError(`${location}: "${name}" keeps outliers in sparse tensors, which is not supported`);
    }
    for (let p = seedBits; p <= bits; p++) {
      const table = set.get(`${name}.lut${p}`)?.tensors.get(`${name}.lut${p}`);
      if (table?.type !== "F16" || table.shape.join() !== `${rows},${2 ** p}`) {
        throw new InvalidFileError(`${location}: "${name}.lut${p}" is missing or not F16 [${rows}, ${2 ** p}]`);
      }
    }
    layers.set(name, { name, codec: "codebook", rows, columns: 32 * words, seedBits, bits, followsPrecision: true });
  }
  if (layers.size === 0)
    throw new InvalidFileError(`${location}: config.json says Any-Precision, but there is no *.qweight`);
  return layers;
}

async function readPart(
  set: TensorSet,
  layer: LayerFacts,
  part: NestedLayerPart,
  wait: WaitOptions,
): Promise<Uint8Array> {
  const { name, rows, columns } = layer;
  const fileOf = (tensor: string) => set.get(tensor) as SafetensorsFile;
  if (part.kind === "plane") {
    const length = rows * planeRowBytes(columns);
    const tensor = `${name}.qweight`;
    const words = await fileOf(tensor).readBytes(tensor, { offset: part.plane * length, length, signal: wait.signal });
    return restorePlaneOrder(words, rows, columns);
  }
  const tensor = `${name}.lut${part.kind === "table" ? part.precision : ""}`;
  return fileOf(tensor).readBytes(tensor, { signal: wait.signal });
}
