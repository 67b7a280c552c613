/**
 * Which operators of measured steps are limited by memory, which by look-ups, and at what rates: all thresholds of
 * look-ups per byte are tried, and of multiply-accumulates per byte for attention and dense weights. It knows volumes and seconds, not
 * models.
 */
import { InvalidArgumentError } from "@stepdown/core";
import { type DecodeMeasurement, type OperatorVolume, secondsOf, type UnitSeconds } from "./decode-measurement.js";
import { solveNonNegative } from "./least-squares.js";

/** A measured step and its operators. */
export interface Sample {
  readonly measurement: DecodeMeasurement;
  readonly seconds: number;
  readonly operators: readonly OperatorVolume[];
}

/** How well a rate is known; see `FittedRate`. */
export type Evidence = "fitted" | "at-least" | "none";

/** Rates under one assumption of what limits what. */
export interface LimitFit {
  readonly unit: UnitSeconds;
  readonly memoryEvidence: Evidence;
  readonly lookUpEvidence: Evidence;
  /** Sum of squared relative errors of the model, each operator limited by what takes longer. */
  readonly squaredError: number;
}

/** The best rates, and how far one limit alone would get. */
export interface LimitSearch {
  readonly best: LimitFit;
  readonly memoryOnlyError: number;
  readonly lookUpOnlyError: number;
  /** Whether a rate of attention can be found at all. */
  readonly severalContexts: boolean;
}

/** Ratios of arithmetic to bytes that differ by less are one: scales of a row more or less do not change the limit. */
const SAME_RATIO = 1e-2;

/** Finds the rates with the smallest relative errors. Throws `InvalidArgumentError` when none explains the samples. */
export function searchLimits(samples: readonly Sample[]): LimitSearch {
  const severalContexts = new Set(samples.map(({ measurement }) => measurement.contextTokens ?? 0)).size > 1;
  const operators = samples.flatMap((sample) => sample.operators);
  // Arithmetic limits operators whose ratio is above the threshold; infinity: memory limits all of that kind.
  const lookUpThresholds = [Number.POSITIVE_INFINITY, ...thresholdsOf(operators, "planeWeights")];
  const denseThresholds = [Number.POSITIVE_INFINITY, ...(severalContexts ? thresholdsOf(operators, "denseMacs") : [])];
  const fits = lookUpThresholds.map((lookUps) =>
    denseThresholds.map((dense) => fitLimits(samples, lookUps, dense)).reduce(better, undefined),
  );
  const best = fits.reduce(better, undefined);
  if (best === undefined)
    throw new InvalidArgumentError(
      "The measurements contradict each other: time does not grow with the bytes moved or the planes looked up, so no bandwidth and no look-up rate explains them. Check that milliseconds belong to the models and precisions named.",
    );
  return {
    best,
    memoryOnlyError: fits[0]?.squaredError ?? Number.POSITIVE_INFINITY,
    lookUpOnlyError: fits.at(-1)?.squaredError ?? Number.POSITIVE_INFINITY,
    severalContexts,
  };
}

/** Values between distinct ratios of arithmetic to bytes, largest first, and one below them all. */
function thresholdsOf(operators: readonly OperatorVolume[], kind: "planeWeights" | "denseMacs"): number[] {
  const ratios = operators.filter((one) => one[kind] > 0).map((one) => one[kind] / one.bytes);
  ratios.sort((one, other) => other - one);
  return ratios.flatMap((ratio, index) => {
    const next = ratios[index + 1] ?? 0;
    return next < ratio * (1 - SAME_RATIO) ? [(ratio + next) / 2] : [];
  });
}

/** The one with the smaller error; the first unless the second is truly better. */
function better(one: LimitFit | undefined, other: LimitFit | undefined): LimitFit | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return other.squaredError < one.squaredError * (1 - 1e-9) - 1e-15 ? other : one;
}

/** Rates when arithmetic limits the operators with more of it per byte than a threshold, and memory the others. */
function fitLimits(samples: readonly Sample[], lookUps: number, dense: number): LimitFit | undefined {
  const lookedUp = ({ planeWeights, bytes }: OperatorVolume): boolean => planeWeights > lookUps * bytes;
  const computed = ({ denseMacs, bytes }: OperatorVolume): boolean => denseMacs > dense * bytes;
  // Unknowns: overhead, seconds per byte, per look-up, per multiply-accumulate. Rows are divided by the measured time.
  const rows = samples.map(({ operators, seconds }) => {
    const row = [1, 0, 0, 0];
    for (const operator of operators) {
      if (lookedUp(operator)) row[2]! += operator.planeWeights;
      else if (computed(operator)) row[3]! += operator.denseMacs;
      else row[1]! += operator.bytes;
    }
    return row.map((value) => value / seconds);
  });
  const every = samples.flatMap(({ operators }) => operators);
  // Embeddings and norms always come from memory, but they are too small to tell its rate.
  const showsMemory = every.some((one) => one.planeWeights + one.denseMacs > 0 && !lookedUp(one) && !computed(one));
  const showsLookUps = every.some(lookedUp);
  const solved = solveNonNegative(
    rows,
    samples.map(() => 1),
    [true, showsMemory, showsLookUps, every.some(computed)],
  );
  if (solved === undefined) return undefined;
  const [overhead, perByte, perPlaneWeight, perDenseMac] = solved.unknowns as [number, number, number, number];
  if ((showsMemory && perByte === 0) || (showsLookUps && perPlaneWeight === 0)) return undefined;
  // A rate that limits nothing is at least what the measurements would need to notice it.
  const looked = every.filter(({ planeWeights }) => planeWeights > 0);
  const ratioOf = ({ planeWeights, bytes }: OperatorVolume): number => planeWeights / bytes;
  const unit: UnitSeconds = {
    overhead,
    perByte: showsMemory ? perByte : Math.min(...looked.map((one) => perPlaneWeight * ratioOf(one))),
    perPlaneWeight: showsLookUps
      ? perPlaneWeight
      : looked.length > 0
        ? Math.min(...looked.map((one) => perByte / ratioOf(one)))
        : 0,
    perDenseMac,
  };
  const squaredError = samples.reduce(
    (sum, { operators, seconds }) => sum + (secondsOf(operators, unit) / seconds - 1) ** 2,
    0,
  );
  return {
    unit,
    memoryEvidence: showsMemory ? "fitted" : "at-least",
    lookUpEvidence: showsLookUps ? "fitted" : looked.length > 0 ? "at-least" : "none",
    squaredError,
  };
}
