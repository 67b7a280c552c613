/** Shapes and settings of one decoder-only transformer, checked and with every default filled in. */
export interface DecoderConfiguration {
  /** Class name as in `config.json`. */
  readonly architecture: string;
  readonly blocks: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDimension: number;
  readonly vocabularySize: number;
  /** Positions the model was made for. */
  readonly contextLength: number;
  /** Root-mean-square norm, or layer norm with bias. */
  readonly norm: "rms" | "layer";
  readonly normEpsilon: number;
  /** Root-mean-square norm over each query and key head, before rotary embedding, one weight for all heads. */
  readonly queryKeyNorm: boolean;
  /** Attention and MLP read the same normalized input; there is no second norm. */
  readonly parallelBlock: boolean;
  /** Which linear layers of a block have biases. */
  readonly biases: BlockBiases;
  /** Per block: sliding window in positions, or `undefined` for all positions. */
  readonly windows: readonly (number | undefined)[];
  readonly rotary: RotaryConfiguration;
  /** Whether the output head is the embedding table. */
  readonly tiedHead: boolean;
  /** Ids that end a generation; may be empty. */
  readonly endOfSequenceIds: readonly number[];
}

/** Which linear layers of a block have biases. */
export interface BlockBiases {
  readonly queryKeyValue: boolean;
  readonly attentionOutput: boolean;
  readonly mlp: boolean;
}

/** Rotary embedding: which angles, and how they are stretched. */
export interface RotaryConfiguration {
  readonly theta: number;
  /** Leading elements of each head that turn; even. */
  readonly dimension: number;
  readonly scaling: RotaryScaling;
}

/** How the frequencies θ^(−2i/dimension) are changed for longer contexts. */
export type RotaryScaling =
  | { readonly type: "default" }
  /** All frequencies divided by `factor`. */
  | { readonly type: "linear"; readonly factor: number }
  /** Llama 3.1: low frequencies divided by `factor`, high ones kept, a smooth band between. */
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalContextLength: number;
    }
  /** Frequency i divided by `divisors[i]`, as GGUF files store them. */
  | { readonly type: "divisors"; readonly divisors: readonly number[] };
