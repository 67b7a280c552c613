import { estimate, percentile } from "@stepdown/metrics";
import type { ChunkScores } from "./chunk-scores.js";
import { type Variant, variantLabel } from "./variants.js";

/** A mean with its standard error over tokens; `null` for a single token. */
export interface MeanAndError {
  readonly mean: number;
  readonly standardError: number | null;
}

/** One variant on one text: a row of the tables, and of the JSON document. Losses and divergences in nats per token. */
export interface QualityRow {
  readonly text: string;
  /** "codebook, seed 2: 4 bits". */
  readonly variant: string;
  readonly method: string;
  readonly kind: Variant["source"]["kind"];
  /** Nominal bits of a nested model's precision, else `null`. */
  readonly bits: number | null;
  readonly effectiveBits: number;
  readonly blockBytes: number;
  /** Scored targets. */
  readonly tokens: number;
  readonly perplexity: number;
  /** e^loss · standard error of the loss. */
  readonly perplexityStandardError: number | null;
  readonly loss: MeanAndError;
  /** Loss minus the float model's on the same tokens; `null` for the float model. */
  readonly lossIncrease: MeanAndError | null;
  readonly kl: MeanAndError | null;
  readonly kl99: number | null;
  /** Share of positions with the float model's most likely token. */
  readonly sameTop: MeanAndError | null;
  readonly chunkLosses: readonly number[];
}

/** Sums up the chunks of a variant. */
export function summarizeVariant(
  text: string,
  variant: Variant,
  chunks: readonly ChunkScores[],
  float: readonly ChunkScores[],
): QualityRow {
  const { source, method, effectiveBits, blockBytes } = variant;
  const losses = join(chunks.map((chunk) => chunk.losses));
  const loss = describe(losses);
  const isFloat = source.kind === "float";
  const floatLosses = join(float.map((chunk) => chunk.losses));
  const divergences = join(chunks.map((chunk) => chunk.divergences ?? []));
  const perplexity = Math.exp(loss.mean);
  return {
    ...{ text, variant: variantLabel(variant), method, kind: source.kind },
    bits: source.kind === "nested" ? source.precision : null,
    ...{ effectiveBits, blockBytes, tokens: losses.length, perplexity },
    perplexityStandardError: loss.standardError === null ? null : perplexity * loss.standardError,
    loss,
    lossIncrease: isFloat ? null : describe(losses.map((value, i) => value - floatLosses[i]!)),
    kl: isFloat ? null : describe(divergences),
    kl99: isFloat ? null : percentile(divergences, 99),
    sameTop: isFloat ? null : describe(join(chunks.map((chunk) => chunk.sameTop ?? []))),
    chunkLosses: chunks.map((chunk) => describe(Float64Array.from(chunk.losses)).mean),
  };
}

/** Variants farther apart than so many effective bits are no neighbours. */
const NEIGHBOUR_BITS = 0.3;

/** Two variants of different methods on the same tokens. */
export interface PairRow {
  readonly text: string;
  readonly one: string;
  readonly other: string;
  /** Effective bits of one minus those of the other. */
  readonly bitsDifference: number;
  /** Loss of one minus loss of the other, nats per token; negative: one is better. */
  readonly lossDifference: MeanAndError;
  readonly klDifference: MeanAndError;
}

/** Compares all variants of different methods that have nearly the same effective bits, token by token. */
export function pairNeighbours(
  text: string,
  scored: readonly { readonly variant: Variant; readonly chunks: readonly ChunkScores[] }[],
): PairRow[] {
  const rows: PairRow[] = [];
  const difference = (one: Float64Array, other: Float64Array): MeanAndError =>
    describe(one.map((value, i) => value - other[i]!));
  scored.forEach((first, index) => {
    for (const second of scored.slice(index + 1)) {
      const bitsDifference = first.variant.effectiveBits - second.variant.effectiveBits;
      const apart = first.variant.source.kind === "float" || Math.abs(bitsDifference) > NEIGHBOUR_BITS;
      if (apart || first.variant.method === second.variant.method) continue;
      const all = ({ chunks }: typeof first, of: (chunk: ChunkScores) => ArrayLike<number>): Float64Array =>
        join(chunks.map(of));
      rows.push({
        ...{ text, one: variantLabel(first.variant), other: variantLabel(second.variant), bitsDifference },
        lossDifference: difference(
          all(first, ({ losses }) => losses),
          all(second, ({ losses }) => losses),
        ),
        klDifference: difference(
          all(first, ({ divergences }) => divergences ?? []),
          all(second, ({ divergences }) => divergences ?? []),
        ),
      });
    }
  });
  return rows;
}

function join(parts: readonly ArrayLike<number>[]): Float64Array {
  const joined = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function describe(values: Float64Array): MeanAndError {
  const { mean, standardError = null } = estimate(values);
  return { mean, standardError };
}
