import {
  type Checkpoint,
  type KernelSet,
  OutOfMemoryError,
  type Precision,
  PrecisionUnavailableError,
  UnsupportedError,
  type WaitOptions,
  type WeightCodec,
} from "@stepdown/core";
import { createConfigurationReader } from "../configuration/configuration-reader.js";
import type { DecoderConfiguration } from "../configuration/decoder-configuration.js";
import { readDecoderConfiguration, readEndOfSequenceIds } from "../configuration/read-decoder-configuration.js";
import { createRotaryTables } from "../rotary/rotary-tables.js";
import { checkCheckpoint } from "./check-checkpoint.js";
import { decoderLayout, linearsOfBlock } from "./decoder-layout.js";
import { DecoderModel, type ObservableLanguageModel } from "./decoder-model.js";
import { describeModel } from "./describe-checkpoint.js";
import { loadWeights } from "./load-weights.js";
import { type WeightBytes, weightBytes } from "./weight-bytes.js";

/** Options of {@link loadLanguageModel}; `onProgress` counts weights. */
export interface LoadLanguageModelOptions extends WaitOptions {
  /** Where the weights come from; may be closed afterwards. */
  readonly checkpoint: Checkpoint;
  /** What computes; must outlive the model. */
  readonly kernels: KernelSet;
  /** Precisions to load. Default: all that the checkpoint holds and the kernel set can read. */
  readonly precisions?: readonly Precision[];
}

/**
 * Loads a checkpoint into a kernel set's memory. Throws `UnsupportedError` for an architecture, codec or precision that is
 * not implemented, before any weight is read.
 */
export async function loadLanguageModel(options: LoadLanguageModelOptions): Promise<ObservableLanguageModel> {
  const { checkpoint, kernels, signal, onProgress } = options;
  signal?.throwIfAborted();
  if (kernels.specificationVersion !== "v1") {
    throw new UnsupportedError(
      `Kernel set ${kernels.name} implements specification ${String(kernels.specificationVersion)}; this runtime speaks v1.`,
    );
  }
  const configuration = readDecoderConfiguration(checkpoint.config, `${checkpoint.location}: config.json`);
  const layout = decoderLayout(configuration, (name) => checkpoint.has(name));
  checkCheckpoint(checkpoint, layout);
  const names = layout.blocks.flatMap((block) => linearsOfBlock(block)).map((linear) => linear.name);
  const codecs = new Set<WeightCodec>(names.map((name) => checkpoint.nestedLayers.get(name)?.codec ?? "dense"));
  const precisions = choosePrecisions(checkpoint, kernels, codecs, options.precisions);
  const endOfSequenceIds = await collectEndIds(checkpoint, configuration, signal);

  const bytes = weightBytes(checkpoint, layout);
  requireRoom(checkpoint, kernels, bytes, precisions);
  const weights = await loadWeights({ checkpoint, kernels, layout, precisions, signal, onProgress });
  try {
    const rotary = createRotaryTables(kernels, configuration.rotary, configuration.contextLength);
    const description = describeModel(checkpoint, configuration, layout, endOfSequenceIds);
    return new DecoderModel({ kernels, configuration, description, precisions, weights, rotary, bytes });
  } catch (error) {
    weights.free();
    throw error;
  }
}

function choosePrecisions(
  checkpoint: Checkpoint,
  kernels: KernelSet,
  codecs: ReadonlySet<WeightCodec>,
  wanted: readonly Precision[] | undefined,
): readonly Precision[] {
  const { location } = checkpoint;
  for (const codec of codecs) {
    if (kernels.capabilities.codecs[codec] === undefined) {
      throw new UnsupportedError(
        `${location} has ${codec} weights, which kernel set ${kernels.name} cannot read. It reads ${Object.keys(kernels.capabilities.codecs).join(", ")}.`,
      );
    }
  }
  // Dense weights ignore precision, so only nested codecs limit it.
  const nested = [...codecs].filter((codec) => codec !== "dense");
  const readable = (precision: Precision): boolean => {
    return nested.every((codec) => kernels.capabilities.codecs[codec]?.includes(precision));
  };
  const stored = checkpoint.precisions;
  const chosen = [...new Set(wanted ?? stored.filter(readable))].sort((a, b) => a - b);
  for (const precision of chosen) {
    if (!stored.includes(precision)) {
      throw new PrecisionUnavailableError(`${location} holds ${stored.join(", ")} bits; ${precision} were asked for.`);
    }
    if (!readable(precision)) {
      throw new UnsupportedError(
        `Kernel set ${kernels.name} cannot read ${nested.join(", ")} weights at ${precision} bits.`,
      );
    }
  }
  if (chosen.length > 0) return chosen;
  throw new PrecisionUnavailableError(
    `${location} holds ${stored.join(", ")} bits, kernel set ${kernels.name} can read none of them${wanted ? ", and no precision was asked for" : ""}.`,
  );
}

/** Throws where the weights alone are more than a kernel set can hold, naming the precision up to which they are not. */
function requireRoom(
  { location, precisions: stored }: Checkpoint,
  { name, capabilities }: KernelSet,
  bytes: WeightBytes,
  precisions: readonly Precision[],
): void {
  const { maximumBytes = Number.POSITIVE_INFINITY } = capabilities;
  const highest = precisions.at(-1)!;
  const needed = bytes.loadedBytes(highest);
  if (!(needed > maximumBytes)) return;
  const fitting = stored.filter((precision) => bytes.loadedBytes(precision) <= maximumBytes).at(-1);
  const advice =
    fitting === undefined
      ? "No stored precision fits; use a smaller model."
      : `Up to ${fitting} bits fit: load only those precisions.`;
  throw new OutOfMemoryError(
    `${location} needs ${gibibytes(needed)} for its weights up to ${highest} bits; kernel set ${name} holds at most ${gibibytes(maximumBytes)}. ${advice}`,
  );
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}

/** End ids of `config.json` and `generation_config.json`; chat models often name theirs only in the second. */
async function collectEndIds(
  checkpoint: Checkpoint,
  configuration: DecoderConfiguration,
  signal: AbortSignal | undefined,
): Promise<readonly number[]> {
  const { generationConfig } = await checkpoint.readTextAssets({ signal });
  const isObject =
    typeof generationConfig === "object" && generationConfig !== null && !Array.isArray(generationConfig);
  const values = isObject ? (generationConfig as Record<string, unknown>) : {};
  const reader = createConfigurationReader(values, `${checkpoint.location}: generation_config.json`);
  const further = readEndOfSequenceIds(reader, configuration.vocabularySize);
  return [...new Set([...configuration.endOfSequenceIds, ...further])];
}
