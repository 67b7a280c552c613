import { createModelShape } from "./create-model-shape.js";
import type { ModelShape } from "./model-shape.js";

/**
 * Shapes of the models the literature measures, so that nothing has to be downloaded to price a schedule. Names are the
 * checkpoints' on the hub; the sizes are those of their `config.json`.
 */

/** Vicuna-7B v1.5; the same shapes as Llama-2-7B. */
export const VICUNA_7B: ModelShape = createModelShape({
  name: "lmsys/vicuna-7b-v1.5",
  blocks: 32,
  hiddenSize: 4096,
  feedForwardSize: 11_008,
  heads: 32,
  vocabularySize: 32_000,
  contextTokens: 4096,
});

/** MobileLLaMA-1.4B. */
export const MOBILELLAMA_1_4B: ModelShape = createModelShape({
  name: "mtgv/MobileLLaMA-1.4B-Chat",
  blocks: 24,
  hiddenSize: 2048,
  feedForwardSize: 5632,
  heads: 16,
  vocabularySize: 32_000,
  contextTokens: 2048,
});

/** Phi-1.5. */
export const PHI_1_5: ModelShape = createModelShape({
  name: "microsoft/phi-1_5",
  architecture: "phi",
  blocks: 24,
  hiddenSize: 2048,
  feedForwardSize: 8192,
  heads: 32,
  vocabularySize: 51_200,
  contextTokens: 2048,
  gated: false,
  queryKeyValueBias: true,
  outputBias: true,
  feedForwardBias: true,
  headBias: true,
  norm: "layer",
  normsPerBlock: 1,
});

/** StableLM-Zephyr-3B. */
export const STABLELM_ZEPHYR_3B: ModelShape = createModelShape({
  name: "stabilityai/stablelm-zephyr-3b",
  architecture: "stablelm",
  blocks: 32,
  hiddenSize: 2560,
  feedForwardSize: 6912,
  heads: 32,
  vocabularySize: 50_304,
  contextTokens: 4096,
  norm: "layer",
});

/** Qwen2-1.5B-Instruct. */
export const QWEN2_1_5B: ModelShape = createModelShape({
  name: "Qwen/Qwen2-1.5B-Instruct",
  architecture: "qwen2",
  blocks: 28,
  hiddenSize: 1536,
  feedForwardSize: 8960,
  heads: 12,
  keyValueHeads: 2,
  vocabularySize: 151_936,
  contextTokens: 32_768,
  tiedHead: true,
  queryKeyValueBias: true,
});

/** Llama-3.1-8B. */
export const LLAMA_3_1_8B: ModelShape = createModelShape({
  name: "meta-llama/Llama-3.1-8B",
  blocks: 32,
  hiddenSize: 4096,
  feedForwardSize: 14_336,
  heads: 32,
  keyValueHeads: 8,
  vocabularySize: 128_256,
  contextTokens: 131_072,
});

/** TinyLlama-1.1B, the "1.1B" of this project's kernel measurements. */
export const TINYLLAMA_1_1B: ModelShape = createModelShape({
  name: "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
  blocks: 22,
  hiddenSize: 2048,
  feedForwardSize: 5632,
  heads: 32,
  keyValueHeads: 4,
  vocabularySize: 32_000,
  contextTokens: 2048,
});

/** SmolLM2-135M. */
export const SMOLLM2_135M: ModelShape = smolLm2("HuggingFaceTB/SmolLM2-135M", 30, 576, 1536, 9, 3);
/** SmolLM2-360M. */
export const SMOLLM2_360M: ModelShape = smolLm2("HuggingFaceTB/SmolLM2-360M", 32, 960, 2560, 15, 5);
/** SmolLM2-1.7B. */
export const SMOLLM2_1_7B: ModelShape = smolLm2("HuggingFaceTB/SmolLM2-1.7B", 24, 2048, 8192, 32, 32);

/** The built-in shapes by checkpoint name. */
export const modelShapes: ReadonlyMap<string, ModelShape> = new Map(
  [
    VICUNA_7B,
    MOBILELLAMA_1_4B,
    PHI_1_5,
    STABLELM_ZEPHYR_3B,
    QWEN2_1_5B,
    LLAMA_3_1_8B,
    TINYLLAMA_1_1B,
    SMOLLM2_135M,
    SMOLLM2_360M,
    SMOLLM2_1_7B,
  ].map((shape) => [shape.name, shape]),
);

function smolLm2(
  name: string,
  blocks: number,
  hiddenSize: number,
  feedForwardSize: number,
  heads: number,
  keyValueHeads: number,
): ModelShape {
  return createModelShape({
    name,
    blocks,
    hiddenSize,
    feedForwardSize,
    heads,
    keyValueHeads,
    vocabularySize: 49_152,
    contextTokens: 8192,
    tiedHead: true,
  });
}
