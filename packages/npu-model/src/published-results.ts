import type { CodecDescription } from "./codec-traffic.js";

/**
 * Measured and published numbers, as data, with their sources. Nothing here is computed; comparisons with our model are
 * made in `paper-figure.ts` and `flightllm-comparison.ts`.
 *
 * [P] "Progressive Mixed-Precision Decoding for Efficient LLM Inference", ICLR 2025, arXiv 2410.13461, figure
 *     "End-to-end NPU throughput": labels as printed, bar heights measured from the picture (±0.02). Its axis says
 *     samples/s; the values are tokens/s. Average bits: from the names of the authors' equal-size baselines.
 * [F] FlightLLM, arXiv 2401.03868: outputs of its public simulator, VHK158 configuration, Llama-2-7B.
 */

/** Data sets of the figure. */
export type FigureTask = "CNN/DM" | "DialogSum" | "IWSLT";

/** Bars of a group. */
export type FigureScheme = "fp16" | "uniform" | "static" | "learned";

/** One measured group: a model on a data set. */
export interface PublishedGroup {
  readonly task: FigureTask;
  /** Name of a built-in model shape. */
  readonly model: string;
  /** Preset the authors used for this model. */
  readonly hardware: "NPU-S" | "NPU-L";
  /** Precisions of the schedule; the uniform bar and prefill use the high one. */
  readonly highBits: number;
  readonly lowBits: number;
  /** Tokens generated, S. Not published: fitted, from the token limit or from average bits. */
  readonly newTokens: number;
  /** Bar heights, tokens/s. [P] */
  readonly tokensPerSecond: Readonly<Record<FigureScheme, number>>;
  /** Printed speed-ups over fp16. [P] */
  readonly labels: Readonly<Record<Exclude<FigureScheme, "fp16">, number>>;
  readonly averageBits: Readonly<Record<"static" | "learned", PublishedBits>>;
}

/** Average bits of decode and where the number comes from. */
export interface PublishedBits {
  readonly bits: number;
  /**
   * `published`: independent of the figure. `assumed`: the schedule that never uses the high precision.
   * `backed-out`: computed from the bar itself, so no evidence for the model.
   */
  readonly source: "published" | "assumed" | "backed-out";
}

/** Prompt lengths that reproduce the figure in the paper profile. Fitted, in tokens. */
export const FITTED_PROMPT_TOKENS: Readonly<Record<FigureTask, number>> = { "CNN/DM": 1000, DialogSum: 240, IWSLT: 50 };

/** Prompt lengths for physical conclusions: IWSLT's 50 is implausibly short with an instruction in front. Assumed, in tokens. */
export const ASSUMED_PROMPT_TOKENS: Readonly<Record<FigureTask, number>> = { ...FITTED_PROMPT_TOKENS, IWSLT: 120 };

const VICUNA = { model: "lmsys/vicuna-7b-v1.5", hardware: "NPU-L", highBits: 3, lowBits: 2 } as const;
const MOBILELLAMA = { model: "mtgv/MobileLLaMA-1.4B-Chat", hardware: "NPU-S", highBits: 4, lowBits: 3 } as const;
const PHI = { model: "microsoft/phi-1_5", hardware: "NPU-S", highBits: 4, lowBits: 3 } as const;

/** The figure. [P] */
export const PUBLISHED_FIGURE: readonly PublishedGroup[] = [
  {
    task: "CNN/DM",
    ...VICUNA,
    newTokens: 101,
    tokensPerSecond: { fp16: 2.44, uniform: 11.89, static: 14.85, learned: 14.46 },
    labels: { uniform: 4.9, static: 6.1, learned: 5.9 },
    averageBits: { static: { bits: 2.39, source: "published" }, learned: { bits: 2.43, source: "published" } },
  },
  {
    task: "CNN/DM",
    ...MOBILELLAMA,
    newTokens: 228,
    tokensPerSecond: { fp16: 12.48, uniform: 44.15, static: 51.45, learned: 53.41 },
    labels: { uniform: 3.5, static: 4.1, learned: 4.3 },
    averageBits: { static: { bits: 3.37, source: "published" }, learned: { bits: 3.19, source: "published" } },
  },
  {
    task: "CNN/DM",
    ...PHI,
    newTokens: 239,
    tokensPerSecond: { fp16: 12.72, uniform: 44.98, static: 48.34, learned: 55.76 },
    labels: { uniform: 3.5, static: 3.8, learned: 4.4 },
    averageBits: { static: { bits: 3.71, source: "published" }, learned: { bits: 3.1, source: "backed-out" } },
  },
  {
    task: "DialogSum",
    ...VICUNA,
    newTokens: 34,
    tokensPerSecond: { fp16: 2.54, uniform: 13.18, static: 20.15, learned: 14.86 },
    labels: { uniform: 5.2, static: 8.0, learned: 5.9 },
    averageBits: { static: { bits: 2, source: "assumed" }, learned: { bits: 2.74, source: "published" } },
  },
  {
    task: "DialogSum",
    ...MOBILELLAMA,
    newTokens: 34,
    tokensPerSecond: { fp16: 13.24, uniform: 51.38, static: 69.51, learned: 65.55 },
    labels: { uniform: 3.9, static: 5.2, learned: 5.0 },
    averageBits: { static: { bits: 3, source: "assumed" }, learned: { bits: 3.21, source: "published" } },
  },
  {
    task: "DialogSum",
    ...PHI,
    newTokens: 34,
    tokensPerSecond: { fp16: 13.52, uniform: 52.44, static: 65.11, learned: 60.92 },
    labels: { uniform: 3.9, static: 4.8, learned: 4.5 },
    averageBits: { static: { bits: 3.3, source: "published" }, learned: { bits: 3.52, source: "published" } },
  },
  {
    task: "IWSLT",
    ...VICUNA,
    newTokens: 61,
    tokensPerSecond: { fp16: 2.51, uniform: 13.25, static: 15.16, learned: 17.2 },
    labels: { uniform: 5.3, static: 6.0, learned: 6.9 },
    averageBits: { static: { bits: 2.67, source: "backed-out" }, learned: { bits: 2.35, source: "backed-out" } },
  },
  {
    task: "IWSLT",
    ...MOBILELLAMA,
    newTokens: 61,
    tokensPerSecond: { fp16: 13.15, uniform: 52.14, static: 58.05, learned: 60.8 },
    labels: { uniform: 4.0, static: 4.4, learned: 4.6 },
    averageBits: { static: { bits: 3.65, source: "published" }, learned: { bits: 3.48, source: "backed-out" } },
  },
];

/** Outputs of FlightLLM's public simulator, milliseconds. [F] */
export const PUBLISHED_FLIGHTLLM: PublishedFlightLlm = {
  model: "lmsys/vicuna-7b-v1.5",
  weightBits: 4,
  /** One decode step at a number of cached tokens. */
  decodeSteps: [
    { contextTokens: 144, milliseconds: 9.28 },
    { contextTokens: 512, milliseconds: 9.81 },
    { contextTokens: 1024, milliseconds: 10.62 },
    { contextTokens: 1536, milliseconds: 11.42 },
    { contextTokens: 2048, milliseconds: 12.23 },
  ],
  prefills: [
    { promptTokens: 128, milliseconds: 289.9 },
    { promptTokens: 512, milliseconds: 1181.4 },
  ],
  generations: [
    { promptTokens: 128, newTokens: 512, milliseconds: 5236 },
    { promptTokens: 512, newTokens: 1536, milliseconds: 18_226 },
  ],
};

/** Shape of {@link PUBLISHED_FLIGHTLLM}. */
export interface PublishedFlightLlm {
  /** Name of a built-in model shape; Vicuna-7B has Llama-2-7B's. */
  readonly model: string;
  readonly weightBits: number;
  readonly decodeSteps: readonly { readonly contextTokens: number; readonly milliseconds: number }[];
  readonly prefills: readonly { readonly promptTokens: number; readonly milliseconds: number }[];
  readonly generations: readonly {
    readonly promptTokens: number;
    readonly newTokens: number;
    readonly milliseconds: number;
  }[];
}

/**
 * This project's prototype of the look-up kernels: whole decode steps without attention and norms, 2 threads of a 2-core
 * x86-64 machine, WebAssembly with relaxed SIMD on Node 22, lower quartile of repetitions, ±15 % between runs.
 * Scales are 16 bits per plane and 64 weights; the head is stored as the body.
 */
export const PUBLISHED_KERNEL_STEPS: PublishedKernelSteps = {
  codec: { codec: "bcq", groupSize: 64, scaleBits: 16 },
  steps: [
    { model: "HuggingFaceTB/SmolLM2-135M", bits: 2, milliseconds: 2.31 },
    { model: "HuggingFaceTB/SmolLM2-135M", bits: 3, milliseconds: 3.3 },
    { model: "HuggingFaceTB/SmolLM2-135M", bits: 4, milliseconds: 4.22 },
    { model: "HuggingFaceTB/SmolLM2-135M", bits: 6, milliseconds: 6.31 },
    { model: "HuggingFaceTB/SmolLM2-135M", bits: 8, milliseconds: 8.82 },
    { model: "TinyLlama/TinyLlama-1.1B-Chat-v1.0", bits: 2, milliseconds: 17.2 },
    { model: "TinyLlama/TinyLlama-1.1B-Chat-v1.0", bits: 3, milliseconds: 23.9 },
    { model: "TinyLlama/TinyLlama-1.1B-Chat-v1.0", bits: 4, milliseconds: 29.1 },
    { model: "TinyLlama/TinyLlama-1.1B-Chat-v1.0", bits: 6, milliseconds: 42.8 },
    { model: "TinyLlama/TinyLlama-1.1B-Chat-v1.0", bits: 8, milliseconds: 63.4 },
  ],
};

/** Shape of {@link PUBLISHED_KERNEL_STEPS}. */
export interface PublishedKernelSteps {
  readonly codec: CodecDescription;
  /** `model` is the name of a built-in shape. */
  readonly steps: readonly { readonly model: string; readonly bits: number; readonly milliseconds: number }[];
}
