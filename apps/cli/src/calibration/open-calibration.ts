/** The sensitivities that `quantize` was asked for, measured when the first layer asks and kept for the next run. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type Checkpoint, type SensitivitySource, UnsupportedError, type WaitOptions } from "@stepdown/core";
import { createWasmGradientKernels } from "@stepdown/kernels-wasm";
import { openCheckpoint } from "@stepdown/model-format";
import {
  collectGradientSensitivity,
  collectSecondMoments,
  fingerprintModel,
  type MeasuredSensitivity,
  openCachedSensitivity,
  sensitivityKey,
} from "@stepdown/runtime";
import { createTokenizer } from "@stepdown/tokenization";
import type { CommandContext } from "../command-context.js";
import { loadModel } from "../load-model.js";
import { openSensitivityCache } from "./cache-directory.js";
import { readCalibrationChunks } from "./calibration-chunks.js";
import { type CalibrationKind, type CalibrationOptions, DEFAULT_SAMPLES } from "./calibration-options.js";

/** Names the arithmetic of the pass forwards, as `GradientKernels.arithmetic` does that of gradients. */
const FORWARD_ARITHMETIC = "kernels-wasm, float32, 1";

/** What a calibration is opened with. */
export interface CalibrationRequest extends CalibrationOptions {
  readonly calibration: string;
}

/**
 * Cuts the text and finds out under which key the result is kept, so that a bad text fails early and a finished run is
 * recognised. The model runs over the text only when no file has the result.
 */
export async function openCalibration(
  source: string,
  options: CalibrationRequest,
  context: CommandContext,
): Promise<SensitivitySource> {
  const { sensitivity: name = "second-moments", calibrationTokens: tokens } = options;
  await using checkpoint = await openCheckpoint(source, { signal: context.signal });
  if (checkpoint.kind !== "float")
    throw new UnsupportedError(`${source} is quantized already; calibration needs the float model it was made from.`);
  const samples = options.calibrationSamples ?? DEFAULT_SAMPLES[name];
  const chunks = await readCalibrationChunks({
    file: options.calibration,
    tokenizer: createTokenizer(await checkpoint.readTextAssets()),
    ...{ samples, tokens, exactly: options.calibrationSamples !== undefined, seed: options.calibrationSeed },
  });
  if (chunks.length < samples)
    context.tell(`calibration: ${options.calibration} has ${chunks.length} pieces of ${tokens} tokens, all are used\n`);
  const directory = await openSensitivityCache();
  const arithmetic = name === "second-moments" ? FORWARD_ARITHMETIC : await gradientArithmetic();
  const model = await identify(checkpoint, context);
  const key = sensitivityKey({ name, model, chunks, arithmetic });
  return openCachedSensitivity({
    name,
    key,
    kind: name === "second-moments" ? "columns" : name === "fisher" ? "weights" : "moments",
    path: join(directory, `${name}-${key.slice(0, 32)}.safetensors`),
    measure: (wait) => measure(name, source, chunks, options, context, wait),
    onDamage: (reason) => context.tell(`calibration: measured again, the cached result is damaged: ${reason}\n`),
  });
}

async function gradientArithmetic(): Promise<string> {
  await using kernels = await createWasmGradientKernels();
  return kernels.arithmetic;
}

async function identify(checkpoint: Checkpoint, { signal, startProgress }: CommandContext): Promise<string> {
  const display = startProgress();
  try {
    return await fingerprintModel(checkpoint, { signal, onProgress: display.onProgress });
  } finally {
    display.finish();
  }
}

async function measure(
  kind: CalibrationKind,
  source: string,
  chunks: readonly (readonly number[])[],
  { threads }: CalibrationOptions,
  context: CommandContext,
  { signal = context.signal }: Pick<WaitOptions, "signal">,
): Promise<MeasuredSensitivity> {
  const display = context.startProgress();
  const wait = { signal, onProgress: display.onProgress };
  try {
    if (kind === "second-moments") {
      await using loaded = await loadModel(source, context, { threads });
      const moments = await collectSecondMoments({ model: loaded.model, chunks, ...wait });
      return {
        layers: [...moments].map(([name, { length }]) => ({ name, rows: 1, columns: length })),
        read: (name) => {
          const values = moments.get(name);
          return values && { kind: "columns", values };
        },
        [Symbol.asyncDispose]: async () => {},
      };
    }
    await using checkpoint = await openCheckpoint(source, { signal });
    const kernels = await createWasmGradientKernels({ threads: threads ?? availableParallelism(), signal });
    try {
      const result = await collectGradientSensitivity({ kind, checkpoint, kernels, chunks, ...wait });
      return {
        layers: result.layers,
        read: (name) => result.read(name),
        [Symbol.asyncDispose]: () => kernels[Symbol.asyncDispose](),
      };
    } catch (error) {
      await kernels[Symbol.asyncDispose]();
      throw error;
    }
  } finally {
    display.finish();
  }
}
