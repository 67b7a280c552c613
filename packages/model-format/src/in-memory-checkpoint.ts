import {
  type LinearWeight,
  type NestedWeight,
  type Precision,
  PrecisionUnavailableError,
  type StoredNestedLayer,
  type TextAssets,
} from "@stepdown/core";
import { createFloatCheckpoint, type FloatTensor } from "./float-checkpoint.js";
import type { JsonRecord } from "./json.js";
import { dequantizeNested } from "./nested/dequantize-nested.js";
import { storedLayerOf } from "./nested/layer-facts.js";
import { nestedLayerSource } from "./nested/layer-sources.js";
import type { OpenedCheckpoint } from "./opened-checkpoint.js";

/** What a checkpoint in memory is made of. */
export interface InMemoryCheckpointParts {
  config: JsonRecord;
  /** Float tensors by full name (`model.norm.weight`), row-major. */
  tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
  /** Nested layers by name without `.weight`. Any at all make the checkpoint one of kind "nested". */
  nestedLayers?: ReadonlyMap<string, { readonly weight: NestedWeight; readonly followsPrecision: boolean }>;
  textAssets?: TextAssets;
  /** For messages. */
  location?: string;
}

/** A checkpoint over arrays: for tests, for models just made, and for converters. Arrays are handed out, not copied. */
export function createInMemoryCheckpoint(parts: InMemoryCheckpointParts): OpenedCheckpoint {
  const location = parts.location ?? "model in memory";
  const tensors = new Map<string, FloatTensor>();
  for (const [name, { shape, data }] of parts.tensors) {
    tensors.set(name, { type: "F32", shape, bytes: data.byteLength, readFloat32: async () => data });
  }
  const float: OpenedCheckpoint = {
    ...createFloatCheckpoint({ location, config: parts.config, tensors }),
    readTextAssets: async () => parts.textAssets ?? {},
  };
  const nested = parts.nestedLayers ?? new Map();
  if (nested.size === 0) return float;

  const layers = new Map<string, StoredNestedLayer>();
  let lowest = 1;
  let highest: Precision = 8;
  for (const [name, { weight, followsPrecision }] of nested) {
    layers.set(name, storedLayerOf(nestedLayerSource(name, weight, { followsPrecision })));
    if (!followsPrecision) continue;
    lowest = Math.max(lowest, weight.seedBits);
    highest = Math.min(highest, weight.bits);
  }
  const weightOf = (name: string): NestedWeight | undefined =>
    name.endsWith(".weight") ? nested.get(name.slice(0, -".weight".length))?.weight : undefined;
  return {
    ...float,
    kind: "nested",
    nestedLayers: layers,
    precisions: Array.from({ length: highest - lowest + 1 }, (_, i) => lowest + i),
    has: (name) => tensors.has(name) || weightOf(name) !== undefined,
    async readFloat32(name, options) {
      const weight = weightOf(name);
      return weight === undefined ? float.readFloat32(name, options) : dequantizeNested(weight);
    },
    async readLinear(name, options = {}) {
      const layer = nested.get(name);
      if (layer === undefined) return float.readLinear(name, options);
      return layer.followsPrecision ? narrow(layer.weight, name, options) : layer.weight;
    },
  };
}

/** The part of a weight that a window of precisions needs. */
function narrow(
  weight: NestedWeight,
  name: string,
  options: { minimumPrecision?: Precision; maximumPrecision?: Precision },
): LinearWeight {
  const bits = options.maximumPrecision ?? weight.bits;
  const seedBits = options.minimumPrecision ?? Math.min(weight.seedBits, bits);
  if (seedBits < weight.seedBits || bits > weight.bits || seedBits > bits) {
    throw new PrecisionUnavailableError(
      `"${name}" asked for at ${seedBits} to ${bits} bits, ${weight.seedBits} to ${weight.bits} can be read`,
    );
  }
  const common = { seedBits, bits, planes: weight.planes.slice(0, bits) };
  const within = <T>(map: ReadonlyMap<Precision, T>) => new Map([...map].filter(([p]) => p >= seedBits && p <= bits));
  switch (weight.codec) {
    case "codebook":
      return { ...weight, ...common, tables: within(weight.tables) };
    case "uniform":
      return { ...weight, ...common };
    case "bcq":
      return { ...weight, ...common, scales: within(weight.scales) };
    default:
      return weight satisfies never;
  }
}
