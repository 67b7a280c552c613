/** The whole evaluation: looks up what is known, has the rest scored by as many workers as wanted, and sums up. */

import { InvalidArgumentError } from "@stepdown/core";
import { countChunks } from "@stepdown/metrics";
import type { ChunkEvaluator } from "./chunk-evaluator.js";
import type { ChunkScores } from "./chunk-scores.js";
import { startEvaluator } from "./evaluator-pool.js";
import { fingerprintModel, fingerprintValue } from "./fingerprint.js";
import { type PairRow, pairNeighbours, type QualityRow, summarizeVariant } from "./summarize.js";
import type { TokenText } from "./token-texts.js";
import type { OuterLayers } from "./variant-checkpoint.js";
import type { Variant, VariantSource } from "./variants.js";
import { variantLabel } from "./variants.js";
import type { WorkFile } from "./work-file.js";

/** Part of every key: raised when scores of an earlier version are no longer the same numbers. */
const SCORES_VERSION = 1;

/** Options of {@link evaluateQuality}. */
export interface EvaluateOptions {
  readonly floatLocation: string;
  /** The float model first. */
  readonly variants: readonly Variant[];
  readonly texts: readonly TokenText[];
  readonly tokensPerChunk: number;
  readonly chunks?: number;
  readonly outerLayers: OuterLayers;
  readonly threads: number;
  readonly work: WorkFile;
  readonly signal: AbortSignal;
  /** Told one line per scored chunk and variant. */
  readonly note: (line: string) => void;
}

interface Job {
  readonly text: TokenText;
  readonly chunk: number;
  readonly chunks: number;
  readonly tokens: readonly number[];
  /** Not known yet, the float model left out. */
  readonly missing: readonly Variant[];
  readonly keyOf: (variant: Variant) => string;
}

/** What the evaluation finds. */
export interface QualityResult {
  readonly rows: readonly QualityRow[];
  /** Variants of different methods with about the same bits, token by token. */
  readonly pairs: readonly PairRow[];
}

/** Evaluates every variant on every text. */
export async function evaluateQuality(options: EvaluateOptions): Promise<QualityResult> {
  const { variants, texts, tokensPerChunk, work, signal, note } = options;
  const keyOfVariant = await variantKeys(options);
  const plan = texts.map((text) => {
    const chunks = countChunks(text.ids.length, tokensPerChunk, options.chunks);
    return Array.from({ length: chunks }, (_, chunk): Job => {
      const tokens = text.ids.slice(chunk * tokensPerChunk, (chunk + 1) * tokensPerChunk);
      const keyOf = (variant: Variant): string => fingerprintValue([keyOfVariant.get(variant), tokens]);
      const missing = variants.filter((variant) => work.get(keyOf(variant)) === undefined);
      return { text, chunk, chunks, tokens, missing, keyOf };
    });
  });
  const jobs = plan.flat();
  const waiting = jobs.filter(({ missing }) => missing.length > 0);
  if (waiting.length > 0) {
    const counted = waiting.reduce((sum, { missing }) => sum + missing.length, 0);
    const known = jobs.length * variants.length - counted;
    if (known > 0) note(`${known} of ${jobs.length * variants.length} scores are known from earlier runs`);
    await scoreAll(waiting, counted, options);
  }
  signal.throwIfAborted();
  const rows: QualityRow[] = [];
  const pairs: PairRow[] = [];
  for (const chunks of plan) {
    const { name } = chunks[0]!.text;
    const scored = variants.map((variant) => {
      return { variant, chunks: chunks.map(({ keyOf }) => work.get(keyOf(variant))!) };
    });
    for (const { variant, chunks: scores } of scored) {
      rows.push(summarizeVariant(name, variant, scores, scored[0]!.chunks));
    }
    pairs.push(...pairNeighbours(name, scored));
  }
  return { rows, pairs };
}

async function scoreAll(jobs: readonly Job[], total: number, options: EvaluateOptions): Promise<void> {
  const { floatLocation, outerLayers, variants, work, note } = options;
  const queue = [...jobs];
  // One worker that fails stops the others: their work is kept, and the error is told at once.
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const threads = Math.min(options.threads, jobs.length);
  const start = performance.now();
  let done = 0;
  const writes: Promise<void>[] = [];

  const keep = (job: Job, source: VariantSource, scores: ChunkScores): void => {
    const variant = variants.find((each) => sameSource(each.source, source))!;
    if (!job.missing.includes(variant)) return;
    const about = `${job.text.name}, chunk ${job.chunk + 1} of ${job.chunks}, ${variantLabel(variant)}`;
    writes.push(work.put(job.keyOf(variant), about, scores));
    done++;
    const seconds = (performance.now() - start) / 1000;
    const left = (seconds / done) * (total - done);
    note(`${about}: ${describeScores(scores)}; ${done} of ${total}, about ${formatDuration(left)} left`);
  };
  const runWorker = async (): Promise<void> => {
    let evaluator: ChunkEvaluator | undefined;
    try {
      evaluator = await startEvaluator({ floatLocation, outerLayers }, threads > 1);
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
        signal.throwIfAborted();
        const current = job;
        const sources = job.missing.map(({ source }) => source).filter(({ kind }) => kind !== "float");
        await evaluator.evaluate(
          { tokens: job.tokens, sources },
          (source, scores) => keep(current, source, scores),
          signal,
        );
      }
    } catch (error) {
      stop.abort(error);
      throw error;
    } finally {
      await evaluator?.[Symbol.asyncDispose]();
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: threads }, runWorker));
  await Promise.all(writes);
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Everything about a variant that its scores depend on, hashed. */
async function variantKeys(options: EvaluateOptions): Promise<Map<Variant, string>> {
  const { floatLocation, variants, outerLayers, signal } = options;
  const hashes = new Map<string, string>();
  const hashOf = async (location: string): Promise<string> => {
    const hash = hashes.get(location) ?? (await fingerprintModel(location, signal));
    hashes.set(location, hash);
    return hash;
  };
  const float = await hashOf(floatLocation);
  const keys = new Map<Variant, string>();
  for (const variant of variants) {
    const { source } = variant;
    const own = source.kind === "nested" ? [await hashOf(source.location), source.precision, outerLayers] : [source];
    keys.set(variant, fingerprintValue([SCORES_VERSION, float, ...own]));
  }
  if (new Set(keys.values()).size < keys.size) {
    throw new InvalidArgumentError("Two variants are the same weights: a model or a type was given twice.");
  }
  return keys;
}

function sameSource(one: VariantSource, other: VariantSource): boolean {
  return fingerprintValue(one) === fingerprintValue(other);
}

function describeScores({ losses, divergences, milliseconds }: ChunkScores): string {
  const average = (values: Float32Array): string => (values.reduce((sum, x) => sum + x, 0) / values.length).toFixed(4);
  const divergence = divergences === undefined ? "" : `, KL ${average(divergences)}`;
  return `loss ${average(losses)}${divergence} (${(milliseconds / 1000).toFixed(1)} s)`;
}

function formatDuration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
