/** One run of a suite: its engines, its clock, and the rows it has so far. */
import { InvalidArgumentError } from "@stepdown/core";
import type { BenchIo } from "./bench-io.js";
import type { Engine } from "./engines/engine.js";
import { engineList } from "./engines/engine-list.js";
import { ratioOfMedians } from "./measurement/bootstrap.js";
import { evaluateSamples } from "./measurement/evaluate-samples.js";
import type { LoadWatch } from "./measurement/load-watch.js";
import { measureVariants, type Variant } from "./measurement/measure-variants.js";
import type { CommonOptions } from "./options/common.js";
import { type EngineReport, type ResultRow, variantName } from "./report/result-document.js";

/** What a suite works with. */
export interface Session {
  readonly options: CommonOptions;
  readonly signal: AbortSignal;
  /** Tells what is going on, one line. */
  note(line: string): void;
  /** Starts the chosen engines; the caller disposes of them. */
  startEngines(): Promise<Engines>;
  /** Measures the variants of one case against each other and keeps the rows. */
  measure(suite: string, name: string, variants: readonly SuiteVariant[]): Promise<void>;
  readonly rows: readonly ResultRow[];
  /** Engines that took part, filled by `startEngines` and by suites that start their own. */
  readonly engines: Map<string, EngineReport>;
}

/** Started engines. */
export interface Engines extends AsyncDisposable {
  readonly list: readonly Engine[];
}

/** A variant with what its row says about it. */
export interface SuiteVariant extends Omit<Variant, "name"> {
  readonly engine: string;
  readonly threads: number;
  readonly codec: string;
  readonly bits: number;
  /** Weight bytes that one run reads, as stored; absent where that is no measure. */
  readonly bytes?: number;
  readonly work: number;
  readonly workUnit: string;
}

/** Starts a session. */
export function createSession(io: BenchIo, options: CommonOptions, watch: LoadWatch): Session {
  const rows: ResultRow[] = [];
  const engines = new Map<string, EngineReport>();
  const note = (line: string): void => io.tell(`${line}\n`);
  return {
    options,
    signal: io.signal,
    note,
    rows,
    engines,
    async startEngines() {
      const list: Engine[] = [];
      const dispose = async (): Promise<void> => {
        for (const engine of list.splice(0)) await engine[Symbol.asyncDispose]();
      };
      try {
        for (const name of options.engine) {
          const engine = await engineList[name]!.start(io.signal);
          list.push(engine);
          engines.set(name, engineReport(engine));
        }
      } catch (error) {
        await dispose();
        throw error;
      }
      return { list, [Symbol.asyncDispose]: dispose };
    },
    async measure(suite, name, variants) {
      const baseline = chooseBaseline(variants, options.baseline);
      note(`${suite} ${name}: ${variants.length} variant${variants.length === 1 ? "" : "s"}, interleaved`);
      const named = variants.map((variant) => ({ ...variant, name: fullName(variant) }));
      const measurements = await measureVariants(named, watch, { ...options, signal: io.signal });
      const evaluations = measurements.map((measurement) => evaluateSamples(measurement, options.repetitions));
      const base = evaluations[variants.indexOf(baseline)]!.used;
      variants.forEach((variant, index) => {
        const { used, median, lowerQuartile, upperQuartile, processorMedian, disturbedShare, reliable } =
          evaluations[index]!;
        const { ratio, low = null, high = null } = ratioOfMedians(base, used);
        const { engine, codec, bits, threads, work, workUnit } = variant;
        const bytes = variant.bytes ?? null;
        rows.push({
          ...{ suite, case: name, engine, codec, bits, threads },
          ...{ medianMilliseconds: median, lowerQuartile, upperQuartile, processorMilliseconds: processorMedian },
          ...{ repetitions: used.length, runsPerRepetition: measurements[index]!.runsPerRepetition },
          ...{ disturbedShare, reliable, bytes, gigabytesPerSecond: bytes === null ? null : bytes / median / 1e6 },
          ...{ work, workUnit, workPerSecond: (1000 * work) / median },
          baseline: variants.some((other) => other.engine !== baseline.engine)
            ? fullName(baseline)
            : variantName(baseline),
          ...(variant === baseline
            ? { speedup: 1, speedupLow: null, speedupHigh: null }
            : { speedup: ratio, speedupLow: low, speedupHigh: high }),
          samples: used,
        });
      });
    },
  };
}

/** An engine as documents describe it. */
export function engineReport({ name, kernels, threads, notes }: Engine): EngineReport {
  return { name, kernels, threads, notes };
}

function fullName(variant: SuiteVariant): string {
  return `${variant.engine}/${variantName(variant)}`;
}

/** The named variant; by default the widest one of the first engine: dense numbers, or the highest precision. */
function chooseBaseline(variants: readonly SuiteVariant[], wanted: string | undefined): SuiteVariant {
  if (wanted === undefined) {
    const own = variants.filter(({ engine }) => engine === variants[0]!.engine);
    return own.reduce((best, variant) => (isBetterBaseline(variant, best) ? variant : best));
  }
  const found = variants.find((variant) => fullName(variant) === wanted || variantName(variant) === wanted);
  if (found !== undefined) return found;
  const names = [...new Set(variants.map((variant) => variantName(variant)))];
  throw new InvalidArgumentError(`--baseline ${wanted} is not measured here. Choose one of ${names.join(", ")}.`);
}

/** Half-precision numbers before float32 before nested weights, since they are what people use otherwise. */
function isBetterBaseline(one: SuiteVariant, other: SuiteVariant): boolean {
  const rank = ({ codec, bits }: SuiteVariant): number => (codec !== "dense" ? bits : bits === 16 ? 100 : 99);
  return rank(one) > rank(other);
}
