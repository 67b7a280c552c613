import {
  InvalidFileError,
  type Precision,
  PrecisionUnavailableError,
  type StoredTensor,
  type WaitOptions,
} from "@stepdown/core";
import { type FloatTensor, findTensor, readDense } from "../float-checkpoint.js";
import type { JsonRecord } from "../json.js";
import type { OpenedCheckpoint } from "../opened-checkpoint.js";
import type { SafetensorsFile } from "../safetensors/open-safetensors.js";
import { floatTensorsOf } from "../safetensors/open-tensor-set.js";
import type { ModelDirectory } from "../sources/model-directory.js";
import { parseTextAssets, readTextAssetFiles } from "../text-assets.js";
import { dequantizeNested } from "./dequantize-nested.js";
import { type LayerFacts, partsOf, type StoredPart, storedLayerOf } from "./layer-facts.js";
import { LAYER_LIST_KEY, parseLayerList } from "./layer-list.js";
import { findShard, type Shard, type VerifyMode } from "./open-shard.js";
import { type NestedQuantization, parseNestedQuantization } from "./quantization-config.js";
import { readNestedWeight, windowOf } from "./read-nested-weight.js";
import { readShardIndex, type ShardIndex } from "./shard-index.js";

/** Options of {@link openNestedCheckpoint}. */
export interface NestedCheckpointOptions extends WaitOptions {
  /** Highest precision that will be used. Default: all. */
  maximumPrecision?: Precision;
  /** See `OpenCheckpointOptions.verify`. */
  verify?: VerifyMode;
}

/**
 * Opens a nested model directory up to a precision. The first shard's header is read now; each further shard is looked at
 * (does it exist, has it the right size) now and read when a layer is first asked for at its precision. Shards above
 * `maximumPrecision` are never touched.
 */
export async function openNestedCheckpoint(
  directory: ModelDirectory,
  config: JsonRecord,
  quantizationConfig: JsonRecord,
  options: NestedCheckpointOptions = {},
): Promise<OpenedCheckpoint> {
  const { location } = directory;
  const quantization = parseNestedQuantization(quantizationConfig, location);
  const maximum = options.maximumPrecision ?? quantization.bits;
  if (!Number.isInteger(maximum) || maximum < quantization.seedBits || maximum > quantization.bits) {
    throw new PrecisionUnavailableError(
      `${location}: maximumPrecision ${maximum} asked for, the model has ${quantization.seedBits} to ${quantization.bits} bits`,
    );
  }
  const index = await readShardIndex(directory, quantization, { signal: options.signal });
  const content = await openShards(directory, quantization, index, maximum, options);
  const { layers, floats } = content;

  const read = async (part: StoredPart, wait: WaitOptions): Promise<Uint8Array> => {
    const file = await content.shardOf(part).open(wait);
    return file.readBytes(part.name, { signal: wait.signal });
  };
  const tensors = new Map<string, StoredTensor>(floats);
  for (const { parts } of layers.values()) {
    for (const { name, type, shape, bytes, precision } of parts) {
      if (precision <= maximum) tensors.set(name, { type, shape, bytes });
    }
  }
  const readLayer = (
    layer: OpenedLayer,
    wanted: { minimumPrecision?: Precision; maximumPrecision?: Precision },
    wait: WaitOptions,
  ) => {
    const window = windowOf(layer.facts, maximum, wanted, location);
    return readNestedWeight(layer.facts, window, (part) => read(layer.find(part), wait), location);
  };
  const assets = (wait: WaitOptions = {}) => readTextAssetFiles(directory, undefined, { signal: wait.signal });
  const nestedOf = (name: string): OpenedLayer | undefined =>
    name.endsWith(".weight") ? layers.get(name.slice(0, -".weight".length)) : undefined;

  return {
    kind: "nested",
    location,
    config,
    tensors,
    nestedLayers: new Map([...layers].map(([name, layer]) => [name, storedLayerOf(layer.facts)])),
    precisions: Array.from({ length: maximum - quantization.seedBits + 1 }, (_, i) => quantization.seedBits + i),
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

interface OpenedLayer {
  readonly facts: LayerFacts;
  readonly parts: readonly StoredPart[];
  find(part: StoredPart["part"]): StoredPart;
}

interface ShardContent {
  readonly layers: ReadonlyMap<string, OpenedLayer>;
  /** Tensors of the first shard that belong to no nested layer. */
  readonly floats: ReadonlyMap<string, FloatTensor>;
  shardOf(part: StoredPart): Shard;
}

async function openShards(
  directory: ModelDirectory,
  quantization: NestedQuantization,
  index: ShardIndex,
  maximum: Precision,
  options: NestedCheckpointOptions,
): Promise<ShardContent> {
  const { location } = directory;
  const partsByShard = new Map<Precision, Map<string, StoredPart>>();
  const check = (precision: Precision) => (file: SafetensorsFile) => {
    const parts = partsByShard.get(precision) ?? new Map<string, StoredPart>();
    checkHeader(file, parts, precision === quantization.seedBits);
  };
  const shards: Shard[] = [];
  for (const entry of index.shards) {
    if (entry.bits > maximum) break;
    // The first shard's header is checked below, once it has said what the layers are.
    const checker = entry.bits === quantization.seedBits ? () => undefined : check(entry.bits);
    shards.push(await findShard(directory, entry, options.verify ?? "auto", checker, options));
  }
  const first = await (shards[0] as Shard).open(options);

  const listed = parseLayerList(first.metadata.get(LAYER_LIST_KEY), first.name);
  // Every layer has a seed plane and a table or scale here; names of pieces are made only for layers that can be real.
  if (first.tensors.size < 2 * listed.length) {
    throw new InvalidFileError(
      `${first.name}: lists ${listed.length} layers but holds only ${first.tensors.size} tensors`,
    );
  }
  const layers = new Map<string, OpenedLayer>();
  for (const facts of listed) {
    checkAgainstConfig(facts, quantization, location);
    const parts = partsOf(facts);
    const byKey = new Map(parts.map((part) => [keyOf(part.part), part]));
    layers.set(facts.name, { facts, parts, find: (part) => byKey.get(keyOf(part)) as StoredPart });
    for (const part of parts) {
      const shard = Math.max(part.precision, quantization.seedBits);
      const known = partsByShard.get(shard) ?? new Map<string, StoredPart>();
      known.set(part.name, part);
      partsByShard.set(shard, known);
    }
  }
  check(quantization.seedBits)(first);
  checkWeightMap(index, partsByShard, first, location);

  const nested = partsByShard.get(quantization.seedBits);
  const floats = floatTensorsOf(
    new Map([...first.tensors.keys()].filter((name) => !nested?.has(name)).map((name) => [name, first])),
  );
  return {
    layers,
    floats,
    shardOf(part) {
      return shards[Math.max(part.precision - quantization.seedBits, 0)] as Shard;
    },
  };
}

function keyOf(part: StoredPart["part"]): string {
  if (part.kind === "plane") return `${part.kind}.${part.plane}`;
  return "precision" in part ? `${part.kind}.${part.precision}` : part.kind;
}

function checkAgainstConfig(facts: LayerFacts, quantization: NestedQuantization, location: string): void {
  if (!facts.followsPrecision) return;
  if (facts.seedBits !== quantization.seedBits || facts.bits !== quantization.bits) {
    throw new InvalidFileError(
      `${location}: "${facts.name}" has ${facts.seedBits} to ${facts.bits} bits in the first shard, config.json says ${quantization.seedBits} to ${quantization.bits}; files of different models are mixed`,
    );
  }
}

/** The shard must hold exactly the pieces of the layers; the first one may hold other tensors as well. */
function checkHeader(file: SafetensorsFile, parts: ReadonlyMap<string, StoredPart>, first: boolean): void {
  for (const part of parts.values()) {
    const entry = file.tensors.get(part.name);
    if (entry === undefined) throw new InvalidFileError(`${file.name}: "${part.name}" is missing`);
    if (entry.type !== part.type || entry.shape.join() !== part.shape.join()) {
      throw new InvalidFileError(
        `${file.name}: "${part.name}" is ${entry.type} [${entry.shape.join(", ")}], expected ${part.type} [${part.shape.join(", ")}]`,
      );
    }
  }
  if (!first && file.tensors.size !== parts.size) {
    throw new InvalidFileError(`${file.name}: holds ${file.tensors.size} tensors, expected ${parts.size}`);
  }
}

/** The index must name every tensor of every shard and nothing else, so that tools that know only the index find them. */
function checkWeightMap(
  index: ShardIndex,
  partsByShard: ReadonlyMap<Precision, ReadonlyMap<string, StoredPart>>,
  first: SafetensorsFile,
  location: string,
): void {
  let known = 0;
  for (const [i, { file, bits }] of index.shards.entries()) {
    const names: Iterable<string> = i === 0 ? first.tensors.keys() : (partsByShard.get(bits)?.keys() ?? []);
    for (const name of names) {
      known++;
      if (index.weightMap.get(name) !== file) {
        throw new InvalidFileError(`${location}: the index does not say that "${name.slice(0, 120)}" lies in ${file}`);
      }
    }
  }
  if (known !== index.weightMap.size) {
    throw new InvalidFileError(
      `${location}: the index names ${index.weightMap.size} tensors, the shards hold ${known}`,
    );
  }
}
