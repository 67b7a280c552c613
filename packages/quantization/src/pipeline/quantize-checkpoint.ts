/**
 * A float checkpoint → a directory with a nested model; Node only.
 *
 * Layers are read, quantized, written to a work directory and dropped, then put together. A run that was stopped, however,
 * goes on where it was, and its result has the same bytes as that of a run that was not.
 */
import {
  type Checkpoint,
  InvalidArgumentError,
  OutputFailedError,
  type Precision,
  type SensitivitySource,
  UnsupportedError,
  type WaitOptions,
} from "@stepdown/core";
import { type LayerFacts, writeNestedModel } from "@stepdown/model-format";
import { resolveGroupSize } from "../binary/group-size.js";
import { readLibraryVersion } from "../library-version.js";
import type { BinaryCodedOptions } from "../linear/quantize-binary-coded.js";
import type { CodebookOptions } from "../linear/quantize-linear.js";
import { checkGroupCount } from "../linear/resolve-settings.js";
import { createRowPool } from "../pool/create-row-pool.js";
import { type CodecSettings, metadataOf, resolveCodec } from "./codec-settings.js";
import { floatTensorSources } from "./float-tensors.js";
import { type LayerPlan, planLayers } from "./layer-plan.js";
import { sha256 } from "./node-files.js";
import { planOutliers, resolveOutlierShare } from "./outlier-plan.js";
import { type QuantizationReport, summarizeLayers } from "./quantization-report.js";
import { quantizeLayers } from "./quantize-layers.js";
import { textAssetFiles } from "./text-asset-files.js";
import { inspectWorkDirectory, openWorkDirectory } from "./work-directory.js";

/**
 * Options of {@link quantizeCheckpoint}. `mode`, `seed`, `groupCount` and `outliers` belong to the codec `codebook`,
 * `groupSize` and `offset` to `bcq`.
 */
export interface QuantizeCheckpointOptions extends CodebookOptions, BinaryCodedOptions, WaitOptions {
  /** The float model. It is not disposed of here. */
  checkpoint: Checkpoint;
  /** Where the nested model goes; must not exist or be empty unless `overwrite`. `….partial` beside it is used meanwhile. */
  directory: string;
  /**
   * How bits become weights: tables per row, or scales per group and plane. Default: `bcq`, the faster one to run, where there
   * is a sensitivity and no option of the other is given; else `codebook`, which loses less without a sensitivity.
   */
  codec?: "codebook" | "bcq";
  /** Embedding and output head: bits of their uniform code, 2 to 8, or `keep` for float numbers. Default: 8. */
  head?: "keep" | Precision;
  /**
   * Codebook: share of the weights, up to 0.05, that are kept apart in half precision, each for 32 bits (arXiv 2306.07629).
   * Default: 0.
   */
  outliers?: number;
  /** How much an error in each weight matters. Default: all the same. */
  sensitivity?: SensitivitySource;
  /** Worker threads; 0 works on the calling thread. Default: one per core. The result does not depend on it. */
  threads?: number;
  /** Write into a directory that holds files. Default: refuse. */
  overwrite?: boolean;
}

/** Fewer bits leave nothing of an embedding. */
const MINIMUM_HEAD_BITS = 2;

/** Quantizes a checkpoint; resolves when the directory is complete. */
export async function quantizeCheckpoint(options: QuantizeCheckpointOptions): Promise<QuantizationReport> {
  const { checkpoint, sensitivity, signal, onProgress } = options;
  const settings = resolveCodec(options);
  const head = resolveHead(options);
  if (settings.effort !== "quick" && sensitivity === undefined) {
    throw new InvalidArgumentError(
      `The effort ${settings.effort} needs second moments measured on a text, and there are none. Give a calibration text, or choose the effort quick.`,
    );
  }
  const outliers = resolveOutlierShare(options.outliers, settings.codec);
  if (outliers > 0 && settings.effort !== "quick") {
    throw new UnsupportedError(
      `outliers is ${outliers} and the effort ${settings.effort}; error feedback does not know of weights kept apart. Leave outliers out, or choose the effort quick.`,
    );
  }
  signal?.throwIfAborted();
  const { resolve } = await import("node:path");
  const directory = resolve(options.directory);
  const plan = planLayers(checkpoint, head !== "keep");
  const layers = plan.layers.map((layer) => ({ ...factsOf(layer, settings, head), source: layer.source }));
  const quantization = {
    ...metadataOf(settings),
    ...(outliers > 0 ? { outliers } : {}),
    head_bits: head,
    sensitivity: sensitivity === undefined ? null : { name: sensitivity.name, key: sensitivity.key },
    library: `@stepdown/quantization ${await readLibraryVersion()}`,
  };
  const { seedBits, bits } = settings;
  const key = {
    codec: settings.codec,
    seedBits,
    bits,
    ...quantization,
    source: await sourceIdentity(checkpoint, plan),
  };

  const workPath = `${directory}.partial`;
  const state = await inspectWorkDirectory(workPath, key);
  await checkOutput(directory, (options.overwrite ?? false) || state.assembling);
  const work = await openWorkDirectory(workPath, key);
  if (work.discarded) {
    const detail = `discarded unfinished work of other options or another checkpoint in ${workPath}`;
    const total = layers.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
    onProgress?.({ phase: "quantizing", done: 0, total, unit: "weights", detail });
  }

  const pool = await createRowPool(options.threads === undefined ? {} : { threads: options.threads });
  const input = { checkpoint, layers, settings, sensitivity, pool, work, signal, onProgress };
  const takeOutliers = outliers > 0 ? planOutliers(input, outliers) : Promise.resolve(undefined);
  const quantized = await takeOutliers
    .then((take) => quantizeLayers({ ...input, takeOutliers: take }))
    // Threads are stopped before the model is written, which needs none.
    .finally(() => pool[Symbol.asyncDispose]());

  await work.beginAssembly();
  await removeAbandonedOutput(directory);
  await writeNestedModel({
    directory,
    config: checkpoint.config,
    quantization,
    textAssets: await textAssetFiles(checkpoint, wait(signal)),
    layers: quantized.layers,
    tensors: await floatTensorSources(checkpoint, plan.tensors, wait(signal)),
    overwrite: true,
    ...wait(signal),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  await work.remove();
  return { directory, ...summarizeLayers(quantized.layers), resumedLayers: quantized.resumed, threads: pool.threads };
}

function wait(signal: AbortSignal | undefined): WaitOptions {
  return signal === undefined ? {} : { signal };
}

function resolveHead(options: Pick<QuantizeCheckpointOptions, "head">): "keep" | Precision {
  const { head = 8 } = options;
  if (head !== "keep" && !(Number.isInteger(head) && head >= MINIMUM_HEAD_BITS && head <= 8)) {
    throw new InvalidArgumentError(
      `head is ${JSON.stringify(head)}; it has to be "keep" or an integer from ${MINIMUM_HEAD_BITS} to 8.`,
    );
  }
  return head;
}

function factsOf(
  { name, kind, rows, columns }: LayerPlan["layers"][number],
  settings: CodecSettings,
  head: "keep" | Precision,
): LayerFacts {
  if (kind === "uniform" && head !== "keep") {
    return { name, codec: "uniform", rows, columns, seedBits: 1, bits: head, followsPrecision: false };
  }
  const { codec, seedBits, bits } = settings;
  const facts = { name, codec, rows, columns, seedBits, bits, followsPrecision: true };
  if (codec === "codebook") {
    const { groupCount } = settings;
    checkGroupCount(columns, groupCount, name);
    return groupCount === 1 ? facts : { ...facts, groupCount };
  }
  return { ...facts, groupSize: resolveGroupSize(columns, settings.groupSize, name), offsets: settings.offset };
}

/** What is known of the source without reading its weights; those are compared layer by layer. */
async function sourceIdentity({ config, tensors }: Checkpoint, plan: LayerPlan): Promise<string> {
  const listing = [...tensors].map(([name, { type, shape, bytes }]) => [name, type, shape, bytes]);
  return sha256([JSON.stringify([config, listing, plan.layers])]);
}

async function checkOutput(directory: string, mayHoldFiles: boolean): Promise<void> {
  const { readdir } = await import("node:fs/promises");
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ENOENT") return;
    throw new OutputFailedError(`${directory} cannot be used as a directory: ${(cause as Error).message}.`, { cause });
  }
  if (names.length > 0 && !mayHoldFiles) {
    throw new OutputFailedError(`${directory} is not empty; choose another directory or allow overwriting.`);
  }
}

/** Deletes what a run killed while writing has left beside the output; the writer names it `….partial-` and eight digits. */
async function removeAbandonedOutput(directory: string): Promise<void> {
  const { readdir, rm } = await import("node:fs/promises");
  const { basename, dirname, join } = await import("node:path");
  const prefix = `${basename(directory)}.partial-`;
  for (const name of await readdir(dirname(directory))) {
    if (name.startsWith(prefix) && /^[0-9a-f]{8}$/.test(name.slice(prefix.length))) {
      await rm(join(dirname(directory), name), { recursive: true, force: true });
    }
  }
}
