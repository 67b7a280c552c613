/**
 * Calibration text as chunks of tokens. A `.jsonl` file has a JSON object with a field `text` per line: documents are
 * walked through in an order shuffled once, those with fewer tokens than a chunk are passed over, others cut to it. Any
 * other file is one text, cut into consecutive chunks that are drawn in such an order.
 */
import { InvalidArgumentError, InvalidFileError, type Tokenizer } from "@stepdown/core";
import { readTextFile } from "../read-text-file.js";

/** How chunks are taken. */
export interface ChunkOptions {
  readonly file: string;
  readonly tokenizer: Tokenizer;
  readonly samples: number;
  /** Whether fewer samples than `samples` are refused; otherwise what there is is used. */
  readonly exactly: boolean;
  /** Tokens of each. */
  readonly tokens: number;
  /** Seed of the order, or the order of the file. */
  readonly seed: number | "none";
}

/** Cuts chunks from a calibration file; throws where there are too few. */
export async function readCalibrationChunks(options: ChunkOptions): Promise<readonly (readonly number[])[]> {
  const { file } = options;
  const content = await readTextFile(file);
  const chunks = /\.jsonl$/i.test(file) ? fromDocuments(content, options) : fromText(content, options);
  if (chunks.length < options.samples && options.exactly) {
    throw new InvalidArgumentError(
      `${file} has ${chunks.length} pieces of ${options.tokens} tokens; ${options.samples} were asked for. ` +
        "Give a longer text, fewer --calibration-samples, or a smaller --calibration-tokens.",
    );
  }
  return chunks;
}

function fromText(text: string, { file, tokenizer, samples, tokens, seed }: ChunkOptions): number[][] {
  const ids = tokenizer.encode(text);
  const count = Math.floor(ids.length / tokens);
  if (count === 0) {
    throw new InvalidArgumentError(
      `${file} has ${ids.length} tokens, less than one piece of ${tokens}. Give a longer text or a smaller --calibration-tokens.`,
    );
  }
  const chosen = drawOrder(count, seed).slice(0, samples);
  return chosen.map((index) => ids.slice(index * tokens, (index + 1) * tokens));
}

function fromDocuments(content: string, { file, tokenizer, samples, tokens, seed }: ChunkOptions): number[][] {
  const texts = content
    .split("\n")
    .flatMap((line, index) => (line.trim() === "" ? [] : [textOfLine(line, index, file)]));
  const chunks: number[][] = [];
  let longest = 0;
  for (const index of drawOrder(texts.length, seed)) {
    if (chunks.length === samples) break;
    const ids = tokenizer.encode(texts[index]!);
    longest = Math.max(longest, ids.length);
    if (ids.length >= tokens) chunks.push(ids.slice(0, tokens));
  }
  if (chunks.length === 0) {
    throw new InvalidArgumentError(
      `${file} has ${texts.length} documents, none of at least ${tokens} tokens (the longest has ${longest}). Give longer ones or a smaller --calibration-tokens.`,
    );
  }
  return chunks;
}

function textOfLine(line: string, index: number, file: string): string {
  let document: unknown;
  try {
    document = JSON.parse(line);
  } catch (cause) {
    throw new InvalidFileError(`${file}: line ${index + 1} is no JSON.`, { cause });
  }
  const text = (document as { text?: unknown } | null)?.text;
  if (typeof text !== "string")
    throw new InvalidFileError(`${file}: line ${index + 1} has no field "text" with a text.`);
  return text;
}

/** All indices once: in rising order, or shuffled (Fisher and Yates) by mulberry32 numbers of the seed. */
export function drawOrder(count: number, seed: number | "none"): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  if (seed === "none") return order;
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
