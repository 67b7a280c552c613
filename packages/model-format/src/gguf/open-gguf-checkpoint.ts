import { InvalidFileError, UnsupportedError } from "@stepdown/core";
import { createFloatCheckpoint, type FloatTensor } from "../float-checkpoint.js";
import { integerWithin, type JsonRecord, member } from "../json.js";
import { MAXIMUM_HEADS } from "../limits.js";
import { asUint16 } from "../numbers/views.js";
import type { OpenedCheckpoint } from "../opened-checkpoint.js";
import type { ByteReadOptions, ByteSource } from "../sources/byte-source.js";
import type { ModelDirectory } from "../sources/model-directory.js";
import { configFromGguf } from "./config.js";
import { dequantize } from "./dequantize.js";
import { type GgufEntry, type GgufFile, openGguf } from "./open-gguf.js";
import { restoreRowOrder } from "./row-order.js";
import { type GgufArchitecture, ggufArchitectures, huggingFaceModule, parseGgufTensorName } from "./tensor-names.js";

/** Options of {@link openGgufCheckpoint}. */
export interface GgufCheckpointOptions extends ByteReadOptions {
  /** A `config.json` that stands beside the file and is preferred to its metadata. */
  config?: JsonRecord;
  /** Where tokenizer files are looked for. */
  directory?: ModelDirectory;
}

/**
 * Opens a GGUF file as a float checkpoint: Hugging Face names, Hugging Face row order, a configuration from the metadata.
 * Tensors that no name is known for keep their own.
 */
export async function openGgufCheckpoint(
  source: ByteSource,
  options: GgufCheckpointOptions = {},
): Promise<OpenedCheckpoint> {
  const file = await openGguf(source, { signal: options.signal });
  const named = file.metadata.get("general.architecture");
  const architecture = ggufArchitectures.find((candidate) => candidate === named);
  if (architecture === undefined) {
    throw new UnsupportedError(
      `${file.name}: architecture ${JSON.stringify(named ?? null).slice(0, 80)} is not supported, only ${ggufArchitectures.join(", ")}`,
    );
  }
  const parts = file.metadata.get("split.count");
  if (parts !== undefined && parts !== 0 && parts !== 1) {
    throw new UnsupportedError(
      `${file.name}: is one of ${String(parts).slice(0, 40)} parts of a model, which are not joined here; merge them with llama.cpp's gguf-split`,
    );
  }
  const ropeFactors = file.tensors.has("rope_freqs.weight")
    ? await file.readFloat32("rope_freqs.weight", { signal: options.signal })
    : undefined;
  const config = options.config ?? configFromGguf(file, architecture, ropeFactors);
  return createFloatCheckpoint({
    location: source.name,
    config,
    tensors: mapTensors(file, architecture, config),
    ...(options.directory === undefined ? {} : { directory: options.directory }),
    ggufMetadata: tokenizerMetadata(file),
  });
}

function tokenizerMetadata(file: GgufFile): Record<string, unknown> | undefined {
  if (!file.metadata.has("tokenizer.ggml.tokens")) return undefined;
  return Object.fromEntries([...file.metadata].filter(([key]) => key.startsWith("tokenizer.")));
}

/** A run of a tensor's rows under a name of its own; most tensors are one whole run. */
interface RowRun {
  readonly name: string;
  readonly from: number;
  readonly count: number;
  readonly shape: readonly number[];
  /** Heads whose rows llama.cpp has interleaved; 0 for none. */
  readonly interleavedHeads: number;
}

function mapTensors(file: GgufFile, architecture: GgufArchitecture, config: JsonRecord): Map<string, FloatTensor> {
  const headCount = (key: string): number | undefined =>
    integerWithin(member(config, key), 1, MAXIMUM_HEADS) ??
    integerWithin(
      file.metadata.get(`${architecture}.attention.${key === "num_attention_heads" ? "head_count" : "head_count_kv"}`),
      1,
      MAXIMUM_HEADS,
    );
  const heads = headCount("num_attention_heads") ?? 1;
  const keyHeads = headCount("num_key_value_heads") ?? heads;

  const tensors = new Map<string, FloatTensor>();
  for (const [name, entry] of file.tensors) {
    if (name === "rope_freqs.weight") continue;
    for (const run of runsOf(file, architecture, name, entry, heads, keyHeads)) {
      if (tensors.has(run.name)) throw new InvalidFileError(`${file.name}: two tensors are both "${run.name}"`);
      tensors.set(run.name, createTensor(file, name, entry, run));
    }
  }
  return tensors;
}

function runsOf(
  file: GgufFile,
  architecture: GgufArchitecture,
  name: string,
  entry: GgufEntry,
  heads: number,
  keyHeads: number,
): RowRun[] {
  const rows = entry.shape[0] ?? 1;
  const rest = entry.shape.slice(1);
  const whole = { name, from: 0, count: rows, shape: entry.shape, interleavedHeads: 0 };
  const parsed = parseGgufTensorName(name);
  if (parsed === undefined) return [whole];

  if (parsed.part === "attn_qkv" && parsed.block !== undefined && rows % (heads + 2 * keyHeads) === 0) {
    // Query, key and value rows in one tensor, as older phi2 files have them.
    const dimension = rows / (heads + 2 * keyHeads);
    const counts = [heads * dimension, keyHeads * dimension, keyHeads * dimension];
    let from = 0;
    return ["attn_q", "attn_k", "attn_v"].map((part, i) => {
      const count = counts[i] as number;
      const module = huggingFaceModule(architecture, { ...parsed, part }) ?? `blk.${parsed.block}.${part}`;
      const run = { name: `${module}.${parsed.kind}`, from, count, shape: [count, ...rest], interleavedHeads: 0 };
      from += count;
      return run;
    });
  }
  const module = huggingFaceModule(architecture, parsed);
  if (module === undefined) return [whole];
  if (architecture === "stablelm" && module.endsWith("_layernorm") && /^attn_[qk]_norm$/.test(parsed.part)) {
    // One norm per head, stored as one tensor [heads, head dimension].
    if (entry.shape.length !== 2 || rows > MAXIMUM_HEADS) {
      throw new InvalidFileError(`${file.name}: "${name}" needs the shape [heads, head dimension]`);
    }
    return Array.from({ length: rows }, (_, head) => ({
      name: `${module}.norms.${head}.${parsed.kind}`,
      from: head,
      count: 1,
      shape: rest,
      interleavedHeads: 0,
    }));
  }
  let interleavedHeads = 0;
  if (architecture === "llama" && (parsed.part === "attn_q" || parsed.part === "attn_k")) {
    interleavedHeads = parsed.part === "attn_q" ? heads : keyHeads;
    if (rows % (2 * interleavedHeads) !== 0) {
      throw new InvalidFileError(
        `${file.name}: "${name}" has ${rows} rows, which ${interleavedHeads} heads cannot share`,
      );
    }
  }
  return [{ ...whole, name: `${module}.${parsed.kind}`, interleavedHeads }];
}

function createTensor(file: GgufFile, stored: string, entry: GgufEntry, run: RowRun): FloatTensor {
  const rows = entry.shape[0] ?? 1;
  const rowBytes = rows === 0 ? 0 : entry.bytes / rows;
  const readBytes = async (options?: ByteReadOptions): Promise<Uint8Array> => {
    const bytes = await file.readBytes(stored, options);
    const part = run.count === rows ? bytes : bytes.slice(run.from * rowBytes, (run.from + run.count) * rowBytes);
    return run.interleavedHeads > 0 ? restoreRowOrder(part, rows, run.interleavedHeads) : part;
  };
  return {
    type: entry.type,
    shape: run.shape,
    bytes: run.count * rowBytes,
    async readFloat32(options) {
      return dequantize(entry.type, await readBytes(options), `${file.name}: "${run.name}"`);
    },
    ...(entry.type === "F16" || entry.type === "BF16"
      ? { readPatterns: async (options?: ByteReadOptions) => asUint16(await readBytes(options)) }
      : {}),
  };
}
