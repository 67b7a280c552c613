/**
 * A variant as a checkpoint of float32 numbers: the blocks' linear layers are dequantized once, everything else is the
 * float model's. So all variants go through the same float32 products, and only the weights differ.
 */
import { type Checkpoint, InvalidFileError, type LinearWeight, UnsupportedError } from "@stepdown/core";
import { dequantizeNested, quantizableGgufType, roundTripGguf } from "@stepdown/model-format";
import type { VariantSource } from "./variants.js";

/** Where embedding and head are taken from: the float model, or the nested model as it stores them. */
export type OuterLayers = "float" | "stored";

/** A linear layer of a block, by name without `.weight`. */
export interface BlockLinear {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

/** The linear layers of a float checkpoint's blocks: every matrix below `model.layers`. */
export function blockLinears(checkpoint: Checkpoint): BlockLinear[] {
  const found: BlockLinear[] = [];
  for (const [name, { shape }] of checkpoint.tensors) {
    const [rows, columns] = shape;
    if (!/^model\.layers\.\d+\..+\.weight$/.test(name) || shape.length !== 2) continue;
    found.push({ name: name.slice(0, -".weight".length), rows: rows!, columns: columns! });
  }
  return found;
}

/** Types that llama.cpp puts in the place of K types where a row is no whole number of super-blocks. */
const replacements: Readonly<Record<string, string>> = {
  Q2_K: "Q4_0",
  Q3_K: "Q4_0",
  Q4_K: "Q5_0",
  Q5_K: "Q5_1",
  Q6_K: "Q8_0",
};

/** The type that a layer of so many columns gets when a type is asked for; throws where nothing fits. */
export function ggufTypeOfLayer(type: string, columns: number): string {
  if (columns % quantizableGgufType(type).blockWeights === 0) return type;
  const other = replacements[type];
  if (other !== undefined && columns % quantizableGgufType(other).blockWeights === 0) return other;
  throw new UnsupportedError(
    `Rows of ${columns} weights are no whole number of ${type} blocks. Leave ${type} out for this model.`,
  );
}

/** Opened checkpoints that a variant is put together from. */
export interface VariantParts {
  readonly float: Checkpoint;
  /** Needed for sources of kind "nested". */
  readonly nested?: Checkpoint;
  readonly outerLayers: OuterLayers;
}

/** The checkpoint of a variant; it owns nothing, its parts stay the caller's. */
export function createVariantCheckpoint(
  source: VariantSource,
  { float, nested, outerLayers }: VariantParts,
): Checkpoint {
  switch (source.kind) {
    case "float":
      return float;
    case "gguf": {
      const layers = new Map(blockLinears(float).map((layer) => [layer.name, layer]));
      return replaceLinears(float, async (name, options) => {
        const layer = layers.get(name);
        if (layer === undefined) return undefined;
        const values = await float.readFloat32(`${name}.weight`, options);
        return dense(layer, roundTripGguf(ggufTypeOfLayer(source.type, layer.columns), values));
      });
    }
    case "nested": {
      if (nested === undefined) throw new Error("a nested variant needs its nested checkpoint");
      const { precision } = source;
      return replaceLinears(outerLayers === "float" ? float : nested, async (name, options) => {
        const layer = nested.nestedLayers.get(name);
        if (layer === undefined || (!layer.followsPrecision && outerLayers === "float")) return undefined;
        const range = layer.followsPrecision ? { minimumPrecision: precision, maximumPrecision: precision } : {};
        const weight = await nested.readLinear(name, { ...options, ...range });
        if (weight.codec === "dense") throw new InvalidFileError(`${nested.location}: ${name} is not nested.`);
        return dense(layer, dequantizeNested(weight, layer.followsPrecision ? precision : weight.bits));
      });
    }
    default:
      return source satisfies never;
  }
}

type ReadDense = (name: string, options: { signal?: AbortSignal }) => Promise<LinearWeight | undefined>;

/** A checkpoint with other linear layers, all dense; `undefined` leaves a layer as it is. */
function replaceLinears(base: Checkpoint, read: ReadDense): Checkpoint {
  return {
    kind: "float",
    location: base.location,
    config: base.config,
    tensors: base.tensors,
    nestedLayers: new Map(),
    precisions: [32],
    has: (name) => base.has(name),
    readFloat32: (name, options) => base.readFloat32(name, options),
    async readLinear(name, options = {}) {
      const { signal } = options;
      const wait = signal === undefined ? {} : { signal };
      return (await read(name, wait)) ?? (await base.readLinear(name, wait));
    },
    readTextAssets: (options) => base.readTextAssets(options),
    async [Symbol.asyncDispose]() {},
  };
}

function dense({ rows, columns }: { rows: number; columns: number }, data: Float32Array): LinearWeight {
  return { codec: "dense", type: "f32", rows, columns, data };
}
