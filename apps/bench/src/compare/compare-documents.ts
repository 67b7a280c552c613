/** Two result documents, row by row: how many times as fast the second one is, and whether that is more than noise. */
import { type RatioEstimate, ratioOfMedians } from "../measurement/bootstrap.js";
import type { ComparedDocument, ComparedRow } from "./read-document.js";

/**
 * `faster` and `slower`: the whole interval lies beyond the noise. `noise`: the interval reaches into it. `unknown`: too
 * few repetitions for an interval.
 */
export type Verdict = "faster" | "slower" | "noise" | "unknown";

/** One row that both documents have. */
export interface RowComparison {
  readonly suite: string;
  readonly case: string;
  readonly engine: string;
  readonly codec: string;
  readonly bits: number;
  readonly threads: number;
  readonly firstMilliseconds: number;
  readonly secondMilliseconds: number;
  /** First time divided by second: above 1, the second is faster. */
  readonly speedup: number;
  readonly speedupLow: number | null;
  readonly speedupHigh: number | null;
  readonly verdict: Verdict;
  /** Whether both rows had enough quiet repetitions. */
  readonly reliable: boolean;
}

/** All rows of two documents. */
export interface DocumentComparison {
  readonly rows: readonly RowComparison[];
  readonly onlyInFirst: readonly string[];
  readonly onlyInSecond: readonly string[];
  /** Differences between the machines, which make other differences meaningless. */
  readonly machineDifferences: readonly string[];
}

/** Compares; `noise` is the relative difference that separate processes show anyway, 0.15 = 15 %. */
export function compareDocuments(first: ComparedDocument, second: ComparedDocument, noise: number): DocumentComparison {
  const seconds = new Map(second.rows.map((row) => [keyOf(row), row]));
  const firsts = new Map(first.rows.map((row) => [keyOf(row), row]));
  const rows: RowComparison[] = [];
  for (const [key, row] of firsts) {
    const other = seconds.get(key);
    if (other !== undefined) rows.push(compareRows(row, other, noise));
  }
  return {
    rows,
    onlyInFirst: [...firsts.keys()].filter((key) => !seconds.has(key)),
    onlyInSecond: [...seconds.keys()].filter((key) => !firsts.has(key)),
    machineDifferences: (["cpu", "cores", "node"] as const)
      .filter((key) => first.machine[key] !== second.machine[key])
      .map((key) => `${key}: ${first.machine[key]}, then ${second.machine[key]}`),
  };
}

function compareRows(first: ComparedRow, second: ComparedRow, noise: number): RowComparison {
  const estimate = ratioOfMedians(first.samples, second.samples);
  const { suite, case: name, engine, codec, bits, threads } = first;
  return {
    ...{ suite, case: name, engine, codec, bits, threads },
    firstMilliseconds: first.medianMilliseconds,
    secondMilliseconds: second.medianMilliseconds,
    speedup: estimate.ratio,
    speedupLow: estimate.low ?? null,
    speedupHigh: estimate.high ?? null,
    verdict: verdictOn(estimate, noise),
    reliable: first.reliable && second.reliable,
  };
}

/** The interval says what these two runs can tell apart; the noise, what two runs of the same code differ by. */
export function verdictOn({ low, high }: RatioEstimate, noise: number): Verdict {
  if (low === undefined || high === undefined) return "unknown";
  if (low > 1 + noise) return "faster";
  if (high < 1 / (1 + noise)) return "slower";
  return "noise";
}

function keyOf({ suite, case: name, engine, codec, bits, threads }: ComparedRow): string {
  return `${suite} ${name}: ${engine}/${codec}-${bits}, ${threads} thread${threads === 1 ? "" : "s"}`;
}
