import type {
  Checkpoint,
  LinearWeight,
  NestedWeight,
  Precision,
  StoredNestedLayer,
  StoredTensor,
  TextAssets,
} from "@stepdown/core";

/** What a checkpoint in memory is made of; names without `.weight` for linear layers, whole names for vectors. */
export interface MemoryCheckpointParts {
  readonly config: Readonly<Record<string, unknown>>;
  readonly linears: ReadonlyMap<string, LinearWeight>;
  readonly vectors: ReadonlyMap<string, Float32Array>;
  readonly precisions: readonly Precision[];
  readonly textAssets?: TextAssets;
}

/** A checkpoint in memory: core's contract without files. */
export function createMemoryCheckpoint(parts: MemoryCheckpointParts): Checkpoint {
  const { config, linears, vectors, precisions } = parts;
  const tensors = new Map<string, StoredTensor>();
  const nestedLayers = new Map<string, StoredNestedLayer>();
  for (const [name, values] of vectors) {
    tensors.set(name, { type: "F32", shape: [values.length], bytes: values.byteLength });
  }
  for (const [name, weight] of linears) {
    const { codec, rows, columns } = weight;
    if (codec === "dense") {
      const type = weight.type.toUpperCase();
      tensors.set(`${name}.weight`, { type, shape: [rows, columns], bytes: weight.data.byteLength });
    } else {
      const { seedBits, bits } = weight;
      const followsPrecision = name.startsWith("model.layers.");
      const bytesAt = (precision: Precision) => nestedBytes(weight, precision);
      nestedLayers.set(name, { codec, rows, columns, seedBits, bits, followsPrecision, bytesAt });
    }
  }
  return {
    kind: nestedLayers.size > 0 ? "nested" : "float",
    location: "memory",
    config,
    tensors,
    nestedLayers,
    precisions,
    has: (name) => tensors.has(name) || nestedLayers.has(name.replace(/\.weight$/, "")),
    readFloat32: async (name) => {
      const dense = linears.get(name.replace(/\.weight$/, ""));
      return (dense?.codec === "dense" ? (dense.data as Float32Array) : vectors.get(name)!).slice();
    },
    readLinear: async (name) => linears.get(name)!,
    readTextAssets: async () => parts.textAssets ?? {},
    async [Symbol.asyncDispose]() {},
  };
}

/** Planes and one table or scale per row; the test's own count, from the definitions of the codecs. */
function nestedBytes(weight: NestedWeight, precision: Precision): number {
  const planes = precision * weight.rows * Math.ceil(weight.columns / 8);
  if (weight.codec === "codebook") return planes + 2 * weight.rows * 2 ** precision;
  if (weight.codec === "uniform") return planes + 4 * weight.rows;
  throw new Error("Not needed here.");
}
