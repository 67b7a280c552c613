/**
 * A model of any shape with random weights as a GGUF file that llama.cpp loads: what peers that read GGUF are measured
 * with. F16 and F32 files hold the numbers of the synthetic model of the same seed; block types hold random codes.
 *
 * Which type a tensor has follows llama.cpp's own quantizer where it decides the time: a head in Q6_K beside blocks of
 * fewer bits, IQ4_NL where a K type does not fit the columns, Q8_0 where Q6_K does not. Unlike it, all other matrices have
 * the type that is asked for, without the wider ones it mixes in: the mix would be slower.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { readDecoderConfiguration } from "@stepdown/runtime";
import { seedOf } from "../random-numbers.js";
import type { ModelConfig } from "../synthetic/model-shapes.js";
import { type LayerShape, layersOf } from "../synthetic/synthetic-layers.js";
import { syntheticDenseWeight } from "../synthetic/synthetic-weight.js";
import { blockFacts, fitsBlocks, randomBlocks } from "./random-blocks.js";
import { type GgufMetadata, type GgufTensor, writeGguf } from "./write-gguf.js";

/** Types of files, by their nominal bits. */
export const ggufFileTypes = { F32: 32, F16: 16, Q8_0: 8, Q4_0: 4, Q3_K: 3, Q2_K: 2 } as const;

/** One of {@link ggufFileTypes}. */
export type GgufFileType = keyof typeof ggufFileTypes;

/** What a file is made from. */
export interface SyntheticGgufOptions {
  readonly config: ModelConfig;
  readonly name: string;
  readonly type: GgufFileType;
  readonly seed: number;
}

/** A file that is there. */
export interface SyntheticGguf {
  readonly path: string;
  readonly type: GgufFileType;
  /** Bytes of the matrices that one token's pass reads: all but an untied embedding. */
  readonly weightBytes: number;
}

/** Part of the file names: another number for other contents of the same configuration. */
const CONTENT_VERSION = 1;
/** Tokens that a sentence-piece vocabulary begins with: unknown, begin, end, and a token for each byte. */
const CONTROL_TOKENS = ["<unk>", "<s>", "</s>"];
const TOKEN_TYPES = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;

/** Where files are kept when nothing else is asked for. */
export function defaultCacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(base, "stepdown-bench");
}

/** Writes the file unless it is there; `onWrite` hears about it. */
export async function ensureSyntheticGguf(
  options: SyntheticGgufOptions,
  folder: string,
  onWrite: (path: string, bytes: number) => void,
  signal?: AbortSignal,
): Promise<SyntheticGguf> {
  const { config, name, type, seed } = options;
  const tensors = tensorsOf(options);
  const weightBytes = tensors
    .filter((tensor) => tensor.rows !== undefined && (tensor.name !== EMBEDDING || isTied(tensors)))
    .reduce((sum, { bytes }) => sum + bytes, 0);
  const hash = seedOf(CONTENT_VERSION, JSON.stringify(config)).toString(16).padStart(8, "0");
  const plainName = name.toLowerCase().replaceAll(/[^a-z0-9.]+/g, "-");
  const path = join(folder, `${plainName.slice(-60)}-${type}-${hash}-${seed}.gguf`);
  if (!existsSync(path)) {
    onWrite(
      path,
      tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    await mkdir(folder, { recursive: true });
    await writeGguf(path, metadataOf(config, name), tensors, signal);
  }
  return { path, type, weightBytes };
}

const EMBEDDING = "token_embd.weight";

function isTied(tensors: readonly GgufTensor[]): boolean {
  return tensors.every(({ name }) => name !== "output.weight");
}

const partNames: Readonly<Record<string, string>> = {
  "model.embed_tokens": "token_embd",
  lm_head: "output",
  "model.norm.weight": "output_norm.weight",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
  "input_layernorm.weight": "attn_norm.weight",
  "post_attention_layernorm.weight": "ffn_norm.weight",
};

/** GGUF's name of a Hugging Face module or vector. */
function ggufName(name: string): string {
  const match = /^model\.layers\.(\d+)\.(.+)$/.exec(name);
  return match === null ? partNames[name]! : `blk.${match[1]}.${partNames[match[2]!]}`;
}

function tensorsOf({ config, name, type, seed }: SyntheticGgufOptions): GgufTensor[] {
  const { linears, vectors } = layersOf(config, name);
  const { heads, keyValueHeads, tiedHead } = readDecoderConfiguration(config, name);
  const matrix = (layer: LayerShape): GgufTensor => {
    const { rows, columns } = layer;
    const isHead = layer.name === "lm_head" || (tiedHead && layer.name === "model.embed_tokens");
    const found = tensorType(type, columns, isHead);
    const common = { name: `${ggufName(layer.name)}.weight`, rows, columns };
    if (found !== "F16" && found !== "F32") {
      const make = (): Uint8Array => randomBlocks(found, rows, columns, seedOf(seed, layer.name));
      return { ...common, ...blockFacts(found, rows, columns), make };
    }
    const rotated = layer.name.endsWith("q_proj") ? heads : layer.name.endsWith("k_proj") ? keyValueHeads : undefined;
    return {
      ...common,
      type: found === "F32" ? 0 : 1,
      bytes: rows * columns * (found === "F32" ? 4 : 2),
      make() {
        const { data } = syntheticDenseWeight(layer, found === "F32" ? "f32" : "f16", seed, layer.name);
        const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
        return rotated === undefined ? bytes : interleaveHalves(bytes, rows, rotated);
      },
    };
  };
  const vector = ({ name: vectorName, length }: { name: string; length: number }): GgufTensor => ({
    name: ggufName(vectorName),
    type: 0,
    columns: length,
    bytes: 4 * length,
    make: () => new Uint8Array(new Float32Array(length).fill(1).buffer),
  });
  return [...linears.map(matrix), ...vectors.map(vector)];
}

/** Type of one matrix in a file of the given type. */
function tensorType(type: GgufFileType, columns: number, isHead: boolean): string {
  if (type === "F32" || type === "F16" || type === "Q8_0") return type;
  if (isHead) return fitsBlocks("Q6_K", columns) ? "Q6_K" : "Q8_0";
  return fitsBlocks(type, columns) ? type : "IQ4_NL";
}

/** Rows of query and key in llama.cpp's order, in which the halves of a head that are rotated together are neighbours. */
function interleaveHalves(bytes: Uint8Array, rows: number, heads: number): Uint8Array {
  const rowBytes = bytes.byteLength / rows;
  const dimension = rows / heads;
  const moved = new Uint8Array(bytes.byteLength);
  for (let row = 0; row < rows; row++) {
    const [head, i] = [Math.floor(row / dimension), row % dimension];
    const target = head * dimension + (i < dimension / 2 ? 2 * i : 2 * i - dimension + 1);
    moved.set(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), target * rowBytes);
  }
  return moved;
}

function metadataOf(config: ModelConfig, name: string): Record<string, GgufMetadata> {
  const c = readDecoderConfiguration(config, name);
  const uint32 = (value: number): GgufMetadata => ({ type: "uint32", value });
  const tokens = Array.from({ length: c.vocabularySize }, (_, id) => tokenOf(id));
  return {
    "general.architecture": { type: "string", value: "llama" },
    "general.name": { type: "string", value: name },
    "general.quantization_version": uint32(2),
    "llama.context_length": uint32(c.contextLength),
    "llama.embedding_length": uint32(c.hiddenSize),
    "llama.block_count": uint32(c.blocks),
    "llama.feed_forward_length": uint32(c.intermediateSize),
    "llama.attention.head_count": uint32(c.heads),
    "llama.attention.head_count_kv": uint32(c.keyValueHeads),
    "llama.attention.layer_norm_rms_epsilon": { type: "float32", value: c.normEpsilon },
    "llama.rope.dimension_count": uint32(c.headDimension),
    "llama.rope.freq_base": { type: "float32", value: c.rotary.theta },
    "llama.vocab_size": uint32(c.vocabularySize),
    "tokenizer.ggml.model": { type: "string", value: "llama" },
    "tokenizer.ggml.tokens": { type: "string[]", value: tokens.map(({ text }) => text) },
    "tokenizer.ggml.scores": { type: "float32[]", value: tokens.map((_, id) => -id) },
    "tokenizer.ggml.token_type": { type: "int32[]", value: tokens.map((token) => token.type) },
    "tokenizer.ggml.unknown_token_id": uint32(0),
    "tokenizer.ggml.bos_token_id": uint32(1),
    "tokenizer.ggml.eos_token_id": uint32(2),
    "tokenizer.ggml.add_bos_token": { type: "bool", value: false },
  };
}

function tokenOf(id: number): { text: string; type: number } {
  const control = CONTROL_TOKENS[id];
  if (control !== undefined) return { text: control, type: id === 0 ? TOKEN_TYPES.unknown : TOKEN_TYPES.control };
  const byte = id - CONTROL_TOKENS.length;
  if (byte < 256) {
    return { text: `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`, type: TOKEN_TYPES.byte };
  }
  return { text: `t${id}`, type: TOKEN_TYPES.normal };
}
