import type { LinearWeight, WeightCodec } from "./linear-weight.js";
import type { Precision } from "./precision.js";
import type { WaitOptions } from "./progress.js";

/**
 * A model on disk or on the network, opened but not loaded: what the runtime and the quantizer read from.
 *
 * It speaks Hugging Face names (`model.layers.0.self_attn.q_proj`) and Hugging Face row order whatever the file format,
 * and it reads only the bytes that a call needs.
 */
export interface Checkpoint extends AsyncDisposable {
  /** Whether the linear layers of the blocks are float numbers or nested planes. */
  readonly kind: "float" | "nested";
  /** Where it was opened from, for messages. */
  readonly location: string;
  /** The configuration in the form of a Hugging Face `config.json`, as found; values are not to be trusted. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Every stored tensor, by name. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Names (without `.weight`) of the linear layers stored as nested planes. Empty for a float checkpoint. */
  readonly nestedLayers: ReadonlyMap<string, StoredNestedLayer>;
  /** Precisions that can be opened, ascending; for a float checkpoint the single width 16 or 32. */
  readonly precisions: readonly Precision[];
  /** Whether a float tensor or a nested layer's weight of this name exists (`….weight` for weights). */
  has(name: string): boolean;
  /** A tensor as float32, whatever its stored type. Throws `MissingFileError` or `InvalidFileError`. */
  readFloat32(name: string, options?: WaitOptions): Promise<Float32Array>;
  /**
   * The weight of a linear layer or embedding, `name` without `.weight`.
   *
   * Nested layers read exactly the planes and tables up to `maximumPrecision`; embedding and head are always whole.
   */
  readLinear(name: string, options?: ReadLinearOptions): Promise<LinearWeight>;
  /** Tokenizer, chat template and generation settings that travel with the weights. */
  readTextAssets(options?: WaitOptions): Promise<TextAssets>;
}

/** Options of {@link Checkpoint.readLinear}. */
export interface ReadLinearOptions extends WaitOptions {
  /** Highest precision that will be used; default: all that is stored. */
  maximumPrecision?: Precision;
  /** Lowest precision that will be used, to leave out unneeded tables; default: the seed precision. */
  minimumPrecision?: Precision;
}

/** One tensor as listed in a file's header. */
export interface StoredTensor {
  /** Type name in upper case, as the file says it: `F32`, `BF16`, `U8`, `Q4_1` … */
  readonly type: string;
  /** Shape, outermost dimension first. */
  readonly shape: readonly number[];
  /** Bytes in the file. */
  readonly bytes: number;
}

/** One nested layer as listed in the files' headers. */
export interface StoredNestedLayer {
  readonly codec: Exclude<WeightCodec, "dense">;
  readonly rows: number;
  readonly columns: number;
  readonly seedBits: Precision;
  readonly bits: Precision;
  /** Whether a decision's precision applies (decoder blocks) or all planes are always read (embedding, head). */
  readonly followsPrecision: boolean;
  /** Bytes that one forward pass at precision p reads of this layer: planes, tables or scales of p. */
  bytesAt(precision: Precision): number;
}

/** Texts and settings beside the weights; everything is optional and untrusted. */
export interface TextAssets {
  /** Parsed `tokenizer.json`. */
  tokenizerJson?: unknown;
  /** Parsed `tokenizer_config.json`. */
  tokenizerConfig?: unknown;
  /** Parsed `generation_config.json`. */
  generationConfig?: unknown;
  /** Jinja source of the chat template (`chat_template.jinja`), where it is not inside `tokenizerConfig`. */
  chatTemplate?: string;
  /** `tokenizer.*` metadata of a GGUF file, where there is no `tokenizer.json`. */
  ggufMetadata?: Readonly<Record<string, unknown>>;
}
