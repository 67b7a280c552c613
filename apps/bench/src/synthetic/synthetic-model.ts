/**
 * A model of any shape with random weights, as a checkpoint or as the sources of a nested model directory. Every tensor is
 * made when it is read and kept by nobody here, so that memory stays bounded by one layer.
 */
import { type Checkpoint, MissingFileError, type Precision, type StoredTensor } from "@stepdown/core";
import { type FloatTensorSource, type LayerFacts, type NestedLayerSource, storedLayerOf } from "@stepdown/model-format";
import type { ModelConfig } from "./model-shapes.js";
import { type LayerShape, layersOf } from "./synthetic-layers.js";
import { syntheticPart } from "./synthetic-part.js";
import { syntheticDenseWeight, syntheticNestedWeight } from "./synthetic-weight.js";
import { groupSizeFor, isNestedKind, type WeightKind } from "./weight-kinds.js";

/** What a synthetic model is made from. */
export interface SyntheticModelOptions {
  readonly config: ModelConfig;
  /** For messages and reports. */
  readonly name: string;
  readonly kind: WeightKind;
  /** Lowest and highest precision of nested kinds. */
  readonly seedBits: Precision;
  readonly bits: Precision;
  readonly seed: number;
}

/** Bits of embedding and head beside nested blocks, the quantizer's default. */
const HEAD_BITS = 8;

/** Opens a synthetic model as a checkpoint. */
export function createSyntheticCheckpoint(options: SyntheticModelOptions): Checkpoint {
  const { config, name: location, kind, seedBits, bits, seed } = options;
  const { linears, vectors } = layersOf(config, location);
  const layers = new Map(linears.map((layer) => [layer.name, layer]));
  const lengths = new Map(vectors.map((vector) => [vector.name, vector.length]));
  const nested = isNestedKind(kind);
  const tensors = new Map<string, StoredTensor>(
    vectors.map(({ name, length }) => [name, { type: "F32", shape: [length], bytes: 4 * length }]),
  );
  if (!nested) {
    const size = kind === "f16" ? 2 : 4;
    for (const { name, rows, columns } of linears) {
      const bytes = rows * columns * size;
      tensors.set(`${name}.weight`, { type: kind.toUpperCase(), shape: [rows, columns], bytes });
    }
  }
  const missing = (name: string): never => {
    throw new MissingFileError(`${location}: there is no tensor ${name} in this synthetic model.`);
  };
  const range = Array.from({ length: bits - seedBits + 1 }, (_, index) => seedBits + index);
  return {
    kind: nested ? "nested" : "float",
    location,
    config,
    tensors,
    nestedLayers: new Map(nested ? linears.map((layer) => [layer.name, storedLayerOf(factsOf(layer, options))]) : []),
    precisions: nested ? range : [kind === "f16" ? 16 : 32],
    has: (name) => tensors.has(name) || (name.endsWith(".weight") && layers.has(name.slice(0, -".weight".length))),
    async readFloat32(name) {
      return new Float32Array(lengths.get(name) ?? missing(name)).fill(1);
    },
    async readLinear(name, { minimumPrecision, maximumPrecision } = {}) {
      const layer = layers.get(name) ?? missing(name);
      if (!isNestedKind(kind)) return syntheticDenseWeight(layer, kind, seed, name);
      const facts = factsOf(layer, options);
      if (!layer.inBlock) return syntheticNestedWeight(facts, seed);
      return syntheticNestedWeight(facts, seed, minimumPrecision, maximumPrecision);
    },
    readTextAssets: async () => ({}),
    async [Symbol.asyncDispose]() {},
  };
}

/** The same weights as sources for `writeNestedModel`; nested kinds only. */
export function syntheticModelSources(options: SyntheticModelOptions): {
  layers: NestedLayerSource[];
  tensors: FloatTensorSource[];
} {
  const { linears, vectors } = layersOf(options.config, options.name);
  return {
    layers: linears.map((layer) => {
      const facts = factsOf(layer, options);
      return { ...facts, read: async (part) => syntheticPart(facts, part, options.seed) };
    }),
    tensors: vectors.map(({ name, length }) => {
      return { name, type: "F32", shape: [length], read: async () => new Float32Array(length).fill(1) };
    }),
  };
}

/** Blocks in the chosen codec, embedding and head in the uniform one. */
function factsOf({ name, rows, columns, inBlock }: LayerShape, options: SyntheticModelOptions): LayerFacts {
  const { kind, seedBits, bits } = options;
  if (!inBlock || !isNestedKind(kind)) {
    return { name, codec: "uniform", rows, columns, seedBits: 1, bits: HEAD_BITS, followsPrecision: false };
  }
  const group = kind === "bcq" ? { groupSize: groupSizeFor(columns) } : {};
  return { name, codec: kind, rows, columns, seedBits, bits, followsPrecision: true, ...group };
}
