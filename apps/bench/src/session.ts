/** One run of a suite: its engines, its clock, and the rows it has so far. */
import { InvalidArgumentError } from "@stepdown/core";
import type { BenchIo } from "./bench-io.js";
import type { Engine } from "./engines/engine.js";
import { engineList } from "./engines/engine-list.js";
import { ratioOfMedians } from "./measurement/bootstrap.js";
import { evaluateSamples } from "./measurement/evaluate-samples.js";
import { type LoadWatch, TEAM_SHARE } from "./measurement/load-watch.js";
import { measureVariants, type Variant } from "./measurement/measure-variants.js";
import type { CommonOptions } from "./options/common.js";
import type { PeerOptions } from "./options/peers.js";
import type { ThreadsOptions } from "./options/threads.js";
import { type Peers, startPeers } from "./peers/start-peers.js";
import type { EngineReport, ResultRow } from "./report/result-document.js";
import { fullName, isCalled, variantNames } from "./report/variant-names.js";

/** What a suite works with. */
export interface Session {
  readonly options: CommonOptions;
  readonly signal: AbortSignal;
  /** Tells what is going on, one line. */
  note(line: string): void;
  /** The same, and keeps the line in the document. */
  remark(line: string): void;
  readonly remarks: readonly string[];
  /** Starts the chosen engines with each number of threads; the caller disposes of them. */
  startEngines(threads?: readonly number[]): Promise<Engines>;
  /** Starts those of other people's engines that are installed; the caller disposes of them. */
  startPeers(options: PeerOptions & ThreadsOptions, need: "model" | "product"): Promise<Peers>;
  /** Measures the variants of one case against each other and keeps the rows. */
  measure(suite: string, facts: CaseFacts, variants: readonly SuiteVariant[]): Promise<void>;
  readonly rows: readonly ResultRow[];
  /** Processor time that child processes used for us, in milliseconds. */
  readonly childTime: number;
  /** Engines that took part, filled by `startEngines` and by suites that start their own. */
  readonly engines: Map<string, EngineReport>;
}

/** Started engines. */
export interface Engines extends AsyncDisposable {
  readonly list: readonly Engine[];
}

/** What all variants of a case have in common. */
export interface CaseFacts {
  readonly name: string;
  readonly model?: string;
  readonly shape?: string;
  readonly context?: number;
}

/** A variant with what its row says about it. */
export interface SuiteVariant extends Omit<Variant, "name"> {
  readonly engine: string;
  readonly threads: number;
  readonly codec: string;
  readonly bits: number;
  readonly groupSize?: number;
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
  const remarks: string[] = [];
  const remark = (line: string): void => {
    remarks.push(line);
    note(line);
  };
  let childTime = 0;
  return {
    options,
    signal: io.signal,
    note,
    remark,
    remarks,
    rows,
    engines,
    get childTime() {
      return childTime;
    },
    async startPeers({ peers: names, peersFrom: from, threads }, need) {
      const addOwnTime = (milliseconds: number): void => {
        childTime += milliseconds;
      };
      const most = Math.max(...threads);
      return await startPeers({
        names,
        from,
        need,
        threads: most,
        signal: io.signal,
        note: remark,
        engines,
        addOwnTime,
      });
    },
    async startEngines(threads = [1]) {
      const list: Engine[] = [];
      const dispose = async (): Promise<void> => {
        for (const engine of list.splice(0)) await engine[Symbol.asyncDispose]();
      };
      try {
        for (const name of options.engine) {
          const entry = engineList[name]!;
          for (const wanted of entry.threaded ? threads : [1]) {
            const engine = await entry.start(io.signal, wanted);
            list.push(engine);
            engines.set(`${name} ×${wanted}`, engineReport(engine));
          }
        }
      } catch (error) {
        await dispose();
        throw error;
      }
      return { list, [Symbol.asyncDispose]: dispose };
    },
    async measure(suite, { name, model = null, shape = null, context = null }, variants) {
      const baseline = chooseBaseline(variants, options.baseline);
      note(`${suite} ${name}: ${variants.length} variant${variants.length === 1 ? "" : "s"}, interleaved`);
      const names = variantNames(variants);
      const named = variants.map((variant) => {
        const team = variant.threads > 1 ? { busy: { threads: variant.threads, share: TEAM_SHARE } } : {};
        return { ...team, ...variant, name: fullName(variant) };
      });
      const measurements = await measureVariants(named, watch, { ...options, signal: io.signal });
      const evaluations = measurements.map((measurement) => evaluateSamples(measurement, options.repetitions));
      const base = evaluations[variants.indexOf(baseline)]!.used;
      variants.forEach((variant, index) => {
        const { used, median, lowerQuartile, upperQuartile, processorMedian, disturbedShare, reliable } =
          evaluations[index]!;
        const { ratio, low = null, high = null } = ratioOfMedians(base, used);
        const { engine, codec, bits, threads, work, workUnit, groupSize = null } = variant;
        const bytes = variant.bytes ?? null;
        rows.push({
          ...{ suite, case: name, engine, codec, bits, threads, model, shape, context, groupSize },
          ...{ medianMilliseconds: median, lowerQuartile, upperQuartile, processorMilliseconds: processorMedian },
          ...{ repetitions: used.length, runsPerRepetition: measurements[index]!.runsPerRepetition },
          ...{ disturbedShare, reliable, bytes, gigabytesPerSecond: bytes === null ? null : bytes / median / 1e6 },
          ...{ work, workUnit, workPerSecond: (1000 * work) / median },
          baseline: names[variants.indexOf(baseline)]!,
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

/** The named variant; by default the widest one of the first engine: dense numbers, or the highest precision. */
function chooseBaseline(variants: readonly SuiteVariant[], wanted: string | undefined): SuiteVariant {
  if (wanted === undefined) {
    const own = variants.filter(({ engine, codec }) => engine === variants[0]!.engine || codec === "f16-tuned");
    return own.reduce((best, variant) => (isBetterBaseline(variant, best) ? variant : best));
  }
  const found = variants.find((variant) => isCalled(variant, wanted));
  if (found !== undefined) return found;
  const names = variantNames(variants);
  throw new InvalidArgumentError(`--baseline ${wanted} is not measured here. Choose one of ${names.join(", ")}.`);
}

/**
 * Half-precision numbers before float32 before nested weights, since they are what people use otherwise; the more tuned
 * kernel before the other.
 */
function isBetterBaseline(one: SuiteVariant, other: SuiteVariant): boolean {
  const rank = ({ codec, bits }: SuiteVariant): number =>
    codec === "f16-tuned" ? 101 : codec !== "dense" ? bits : bits === 16 ? 100 : 99;
  return rank(one) > rank(other);
}
