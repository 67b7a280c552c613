/** What is kept of one variant on one chunk, and its form in the work file. */
import { InvalidFileError } from "@stepdown/core";

/** Scores of the chunk's tokens after the first; float32, whose rounding (6e-8) is far below what is reported. */
export interface ChunkScores {
  /** Negative log likelihood of each target, nats. */
  readonly losses: Float32Array;
  /** KL(float ‖ variant) at each position, nats; absent for the float model itself. */
  readonly divergences?: Float32Array;
  /** 1 where the variant's most likely token is the float model's; absent for the float model. */
  readonly sameTop?: Uint8Array;
  /** Milliseconds of the forward passes. */
  readonly milliseconds: number;
}

/** One line of the work file. */
export interface ScoreRecord {
  /** Hash of everything the scores depend on. */
  readonly key: string;
  /** For people who look into the file. */
  readonly about: string;
  readonly tokens: number;
  readonly losses: string;
  readonly divergences?: string;
  readonly sameTop?: string;
  readonly milliseconds: number;
}

/** Scores as a line's content. */
export function encodeScores(key: string, about: string, scores: ChunkScores): ScoreRecord {
  const { losses, divergences, sameTop, milliseconds } = scores;
  const base = { key, about, tokens: losses.length, losses: toBase64(losses), milliseconds: Math.round(milliseconds) };
  if (divergences === undefined || sameTop === undefined) return base;
  return { ...base, divergences: toBase64(divergences), sameTop: toBase64(sameTop) };
}

/** The scores of a line; throws `InvalidFileError` where its parts do not belong together. */
export function decodeScores(record: ScoreRecord): ChunkScores {
  const { tokens, milliseconds } = record;
  const losses = floats(record.losses, tokens, record.key);
  if (record.divergences === undefined || record.sameTop === undefined) return { losses, milliseconds };
  const sameTop = new Uint8Array(Buffer.from(record.sameTop, "base64"));
  if (sameTop.length !== tokens) throw damaged(record.key);
  return { losses, divergences: floats(record.divergences, tokens, record.key), sameTop, milliseconds };
}

function toBase64(values: Float32Array | Uint8Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
}

function floats(text: string, count: number, key: string): Float32Array {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== 4 * count) throw damaged(key);
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

function damaged(key: string): InvalidFileError {
  return new InvalidFileError(`The record ${key} of the work file is damaged. Remove its line, or the file.`);
}
