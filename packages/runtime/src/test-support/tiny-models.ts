import type { Checkpoint, CodebookWeight, DenseWeight, LinearWeight, Precision, UniformWeight } from "@stepdown/core";
import { dequantizeLinear, numberToFloat16 } from "@stepdown/kernels";
import { readDecoderConfiguration } from "../configuration/read-decoder-configuration.js";
import { decoderLayout, linearsOfBlock, normsOfBlock } from "../model/decoder-layout.js";
import { createRandomGenerator } from "../sampling/random-generator.js";
import { createMemoryCheckpoint } from "./memory-checkpoint.js";

/** A Llama so small that hundreds of forward passes take no time. */
export const tinyConfig: Readonly<Record<string, unknown>> = {
  architectures: ["LlamaForCausalLM"],
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 40,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  eos_token_id: 2,
  hidden_act: "silu",
};

/** How a random weight is stored. */
export type MakeWeight = (name: string, dense: DenseWeight) => LinearWeight;

/** A checkpoint of random weights, the same for the same seed, stored as `make` says (default: as they are). */
export function randomCheckpoint(
  config: Readonly<Record<string, unknown>> = tinyConfig,
  { seed = 1, precisions = [32], make = (_, dense) => dense }: RandomCheckpointOptions = {},
): Checkpoint {
  const layout = decoderLayout(readDecoderConfiguration(config));
  const random = createRandomGenerator(seed);
  const linears = new Map<string, LinearWeight>();
  const vectors = new Map<string, Float32Array>();
  for (const linear of new Set([layout.embedding, layout.head, ...layout.blocks.flatMap((b) => linearsOfBlock(b))])) {
    const { name, rows, columns, bias } = linear;
    const data = Float32Array.from({ length: rows * columns }, () => random.next() - 0.5);
    linears.set(name, make(name, { codec: "dense", type: "f32", rows, columns, data }));
    if (bias)
      vectors.set(
        `${name}.bias`,
        Float32Array.from({ length: rows }, () => random.next() - 0.5),
      );
  }
  for (const { name, length, bias } of [layout.finalNorm, ...layout.blocks.flatMap((b) => normsOfBlock(b))]) {
    vectors.set(
      `${name}.weight`,
      Float32Array.from({ length }, () => 0.5 + random.next()),
    );
    if (bias)
      vectors.set(
        `${name}.bias`,
        Float32Array.from({ length }, () => random.next() - 0.5),
      );
  }
  return createMemoryCheckpoint({ config, linears, vectors, precisions });
}

/** Options of {@link randomCheckpoint}. */
export interface RandomCheckpointOptions {
  readonly seed?: number;
  readonly precisions?: readonly Precision[];
  readonly make?: MakeWeight;
}

/** Blocks in codebooks of 2 to 4 bits, embedding and head in the uniform code of 6 bits. */
export const makeNested: MakeWeight = (name, dense) => {
  return name.startsWith("model.layers.") ? quantizeToCodebook(dense, 2, 4) : quantizeToUniform(dense, 6);
};

/** The dense weights that {@link makeNested} stands for at a precision. */
export function makeDequantized(precision: Precision): MakeWeight {
  return (name, dense) => {
    const nested = makeNested(name, dense);
    const read = nested.codec === "uniform" ? nested.bits : precision;
    return { ...dense, data: dequantizeLinear(nested, read) };
  };
}

/** Equal steps between a row's extremes; a table's entry is the middle of what its labels cover. */
function quantizeToCodebook(dense: DenseWeight, seedBits: Precision, bits: Precision): CodebookWeight {
  const { rows, columns } = dense;
  const labels = new Uint8Array(rows * columns);
  const tables = new Map<Precision, Uint16Array>();
  for (let precision = seedBits; precision <= bits; precision++) {
    tables.set(precision, new Uint16Array(rows * 2 ** precision));
  }
  for (let row = 0; row < rows; row++) {
    const values = dense.data.subarray(row * columns, (row + 1) * columns) as Float32Array;
    const low = Math.min(...values);
    const range = Math.max(...values) - low;
    values.forEach((value, k) => {
      labels[row * columns + k] = Math.min(2 ** bits - 1, Math.floor(((value - low) / range) * 2 ** bits));
    });
    for (const [precision, table] of tables) {
      for (let u = 0; u < 2 ** precision; u++) {
        table[row * 2 ** precision + u] = numberToFloat16(low + (range * (u + 0.5)) / 2 ** precision);
      }
    }
  }
  return { codec: "codebook", rows, columns, seedBits, bits, planes: packPlanes(labels, rows, columns, bits), tables };
}

function quantizeToUniform(dense: DenseWeight, bits: Precision): UniformWeight {
  const { rows, columns } = dense;
  const labels = new Uint8Array(rows * columns);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const values = dense.data.subarray(row * columns, (row + 1) * columns) as Float32Array;
    const scale = Math.max(...values.map(Math.abs));
    scales[row] = scale;
    values.forEach((value, k) => {
      labels[row * columns + k] = Math.min(2 ** bits - 1, Math.floor(((value / scale + 1) / 2) * 2 ** bits));
    });
  }
  const planes = packPlanes(labels, rows, columns, bits);
  return { codec: "uniform", rows, columns, seedBits: 1, bits, planes, scales };
}

function packPlanes(labels: Uint8Array, rows: number, columns: number, bits: number): Uint8Array[] {
  const rowBytes = Math.ceil(columns / 8);
  return Array.from({ length: bits }, (_, plane) => {
    const bytes = new Uint8Array(rows * rowBytes);
    for (let row = 0; row < rows; row++) {
      for (let k = 0; k < columns; k++) {
        const bit = (labels[row * columns + k]! >> (bits - 1 - plane)) & 1;
        bytes[row * rowBytes + (k >> 3)]! |= bit << (k & 7);
      }
    }
    return bytes;
  });
}
