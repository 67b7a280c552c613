/** The JSON document of `--json`: what `compare` reads, and what other programs may rely on. Times in milliseconds. */

/** Version of the document's form; readers refuse others. */
export const DOCUMENT_VERSION = "v1";

/** A whole document. */
export interface ResultDocument {
  readonly specificationVersion: typeof DOCUMENT_VERSION;
  readonly machine: MachineReport;
  /** What was left out and why, and other remarks. */
  readonly notes: readonly string[];
  readonly rows: readonly ResultRow[];
}

/** Where and on what the rows were measured. */
export interface MachineReport {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** Largest cache that the system tells of, or `null`. */
  readonly lastLevelCacheBytes: number | null;
  readonly platform: string;
  readonly node: string;
  readonly startedAt: string;
  /** One-minute load averages before and after, or `null` where the system has none. */
  readonly loadAverageBefore: number | null;
  readonly loadAverageAfter: number | null;
  /** Cores that other processes kept busy on average while this ran. */
  readonly foreignCores: number;
  readonly engines: readonly EngineReport[];
}

/** One engine that was measured. */
export interface EngineReport {
  readonly name: string;
  readonly kernels: string;
  readonly threads: number;
  readonly notes: readonly string[];
}

/** One variant of one case. */
export interface ResultRow {
  readonly suite: string;
  /** What all variants of the case have in common: "576x1536 cold". */
  readonly case: string;
  readonly engine: string;
  readonly codec: string;
  readonly bits: number;
  readonly threads: number;
  /** Path of the model that was measured, or `null` for synthetic weights and single products. */
  readonly model: string | null;
  /** Shape of synthetic weights as given to `--shape`, or of one matrix: "1.1b", "4096x4096". */
  readonly shape: string | null;
  /** Tokens before a decode step, or `null` where there is no such thing. */
  readonly context: number | null;
  /** Weights of a row that share their scales, or `null`: a whole row, or not known. */
  readonly groupSize: number | null;
  /** Of one run: one product, one decode step, one prefill, one load, one pass of quantization. */
  readonly medianMilliseconds: number;
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
  /** Median processor time of one run, all threads together: less moved by other programs than the time that passed. */
  readonly processorMilliseconds: number;
  /** Repetitions behind the figures above, and how many runs each one averaged. */
  readonly repetitions: number;
  readonly runsPerRepetition: number;
  /** Share of all repetitions made that something else disturbed. */
  readonly disturbedShare: number;
  /** `false`: too few quiet repetitions, so disturbed ones are in the figures. */
  readonly reliable: boolean;
  /** Weight bytes that one run reads, as stored; `null` where that is no measure of the work. */
  readonly bytes: number | null;
  readonly gigabytesPerSecond: number | null;
  /** What one run gets done, and how much of it per second at the median. */
  readonly work: number;
  readonly workUnit: string;
  readonly workPerSecond: number;
  /** The variant compared with, and how many times as fast this one is, with the 95 % interval. */
  readonly baseline: string;
  readonly speedup: number;
  readonly speedupLow: number | null;
  readonly speedupHigh: number | null;
  /** Milliseconds per run of every repetition used. */
  readonly samples: readonly number[];
}

/** Codecs of other engines ("Q4_0") and tuned baselines say their bits themselves. */
const SELF_NAMED = /[A-Z]|-tuned$/;

/** Name of a row's variant within its case: "codebook-4", "Q4_0". */
export function variantName({ codec, bits }: Pick<ResultRow, "codec" | "bits">): string {
  return bits === 0 || SELF_NAMED.test(codec) ? codec : `${codec}-${bits}`;
}
