import { InvalidArgumentError } from "@stepdown/core";
import { checkFinitePositive, refuse } from "../checks.js";
import { type CodecDescription, checkCodec } from "../codec-traffic.js";
import { checkHeadBits } from "../create-hardware.js";
import type { HardwareDescription, HeadBits } from "../hardware-description.js";
import { priceForward } from "../price-forward.js";
import {
  checkMilliseconds,
  type DecodeMeasurement,
  type DecodeStepDescription,
  MEASURED_PROFILE,
  type MeasuredStorage,
  measuredHardware,
  volumesOf,
} from "./decode-measurement.js";
import { type LimitSearch, type Sample, searchLimits } from "./limit-search.js";

/** How the measured runtime stores things, and how strict the fit is. */
export interface FitOptions {
  /** Name of the description. Default "fitted". */
  readonly name?: string;
  /** Default: plain codes. */
  readonly codec?: CodecDescription;
  /** Default 16. */
  readonly headBits?: HeadBits;
  /** Default 32. */
  readonly keyValueBits?: number;
  /** Largest deviation of a measurement from the fit, relative; beyond it they contradict each other. Default 0.35. */
  readonly maximumRelativeError?: number;
}

/** A rate and how well it is known. */
export interface FittedRate {
  readonly perSecond: number;
  /** `fitted`: some measurements are limited by it. `at-least`: none is, it is this fast or faster. `none`: nothing used it. */
  readonly evidence: "fitted" | "at-least" | "none";
}

/** One measurement beside the fit. */
export interface FitResidual {
  readonly measurement: DecodeMeasurement;
  readonly predictedMilliseconds: number;
  /** Predicted ÷ measured − 1. */
  readonly relativeError: number;
}

/** A machine inferred from measurements. */
export interface HardwareFit {
  /** To be used with {@link MEASURED_PROFILE} and the same codec, or through {@link predictMilliseconds}. */
  readonly hardware: HardwareDescription;
  readonly codec: CodecDescription;
  /** Bytes per second. */
  readonly bandwidth: FittedRate;
  /** Weights × planes per second. */
  readonly lookUps: FittedRate;
  /** Multiply-accumulates of attention per second. */
  readonly attention: FittedRate;
  readonly overheadSeconds: number;
  readonly residuals: readonly FitResidual[];
  /** Root mean square of the relative errors. */
  readonly rootMeanSquareError: number;
  /** What the measurements cannot decide, in words. */
  readonly notes: readonly string[];
}

/** Fewest measurements: there are three unknowns, and a fourth where contexts differ. */
export const MINIMUM_MEASUREMENTS = 3;

/** Most measurements; the search is quadratic in them. */
const MAXIMUM_MEASUREMENTS = 1000;

/** Machine noise reaches 15 % between runs; twice that and more means the measurements do not belong together. */
const DEFAULT_MAXIMUM_ERROR = 0.35;

/** Squared relative error that is only rounding. */
const ROUNDING = 1e-12;

/** Two explanations whose errors differ by less than this factor are equally good. */
const EQUALLY_GOOD = 1.1;

/**
 * Fits `t = overhead + Σ max(bytes / bandwidth, planes·weights / look-ups)` over the operators of measured decode steps,
 * minimising squared relative errors; attention takes the longer of its bytes and its multiply-accumulates, whose rate is
 * found where contexts differ. Which side limits an operator depends only on its ratio of look-ups to bytes, so all
 * thresholds of that ratio are tried and each is a linear problem: no starting point, the same result every time.
 *
 * Throws `InvalidArgumentError` when there are too few measurements, when they do not differ in what they move, or when
 * no such machine explains them.
 */
export function fitHardware(measurements: readonly DecodeMeasurement[], options: FitOptions = {}): HardwareFit {
  const storage: MeasuredStorage = {
    codec: options.codec === undefined ? { codec: "plain" } : checkCodec(options.codec),
    headBits: checkHeadBits("headBits", options.headBits ?? 16),
    keyValueBits: options.keyValueBits ?? 32,
  };
  const tolerance = checkFinitePositive("maximumRelativeError", options.maximumRelativeError ?? DEFAULT_MAXIMUM_ERROR);
  const samples = takeSamples(measurements, storage);
  const search = searchLimits(samples);
  const { unit } = search.best;
  const hardware = measuredHardware(options.name ?? "fitted", storage, unit);
  const residuals = samples.map(({ measurement, seconds }): FitResidual => {
    const predicted = predict(hardware, storage.codec, measurement);
    return {
      measurement,
      predictedMilliseconds: predicted * 1e3,
      relativeError: predicted / seconds - 1,
    };
  });
  const worst = residuals.reduce((one, other) =>
    Math.abs(other.relativeError) > Math.abs(one.relativeError) ? other : one,
  );
  if (Math.abs(worst.relativeError) > tolerance)
    throw new InvalidArgumentError(
      `The measurements contradict each other: the best machine misses ${describe(worst.measurement)} by ${(worst.relativeError * 100).toFixed(0)} % (measured ${worst.measurement.milliseconds} ms, fitted ${worst.predictedMilliseconds.toPrecision(4)} ms; allowed ${tolerance * 100} %). Measure again on an idle machine, leave that one out, or check codec and headBits.`,
    );
  const notes = notesOn(samples, search);
  return {
    hardware,
    codec: storage.codec,
    bandwidth: { perSecond: 1 / unit.perByte, evidence: search.best.memoryEvidence },
    lookUps: { perSecond: 1 / unit.perPlaneWeight, evidence: search.best.lookUpEvidence },
    attention: { perSecond: 1 / unit.perDenseMac, evidence: unit.perDenseMac > 0 ? "fitted" : "none" },
    overheadSeconds: unit.overhead,
    residuals,
    rootMeanSquareError: Math.sqrt(residuals.reduce((sum, r) => sum + r.relativeError ** 2, 0) / residuals.length),
    notes,
  };
}

/** Milliseconds of a decode step on a fitted machine: for measurements that were held out, or never made. */
export function predictMilliseconds(fit: Pick<HardwareFit, "hardware" | "codec">, step: DecodeStepDescription): number {
  return predict(fit.hardware, fit.codec, step) * 1e3;
}

/** What the measurements leave open. */
function notesOn(samples: readonly Sample[], search: LimitSearch): string[] {
  const { best, memoryOnlyError, lookUpOnlyError } = search;
  const notes: string[] = [];
  if (best.memoryEvidence === "at-least")
    notes.push("No measurement is limited by memory; the bandwidth is the lowest that does not contradict them.");
  if (best.lookUpEvidence === "at-least")
    notes.push("No measurement is limited by look-ups; their rate is the lowest that does not contradict them.");
  if (best.lookUpEvidence === "none")
    notes.push("No measurement reads bit planes; nothing is known of look-ups, which are taken as free.");
  const tied = EQUALLY_GOOD * best.squaredError + samples.length * ROUNDING;
  if (best.lookUpEvidence !== "none" && Math.max(memoryOnlyError, lookUpOnlyError) <= tied)
    notes.push(
      "Memory and look-ups explain these measurements equally well. Measurements of a float model would tell them apart.",
    );
  if (!search.severalContexts)
    notes.push(
      "All measurements have the same context: attention is part of the overhead, and other contexts are guesses.",
    );
  if (new Set(samples.map((sample) => sample.measurement.model.name)).size === 1)
    notes.push(
      "All measurements are of one model; the overhead is its own, and predictions for much smaller models carry all of its error.",
    );
  return notes;
}

function predict(hardware: HardwareDescription, codec: CodecDescription, step: DecodeStepDescription): number {
  return priceForward({
    hardware,
    codec,
    profile: MEASURED_PROFILE,
    model: step.model,
    precision: step.precision,
    contextTokens: step.contextTokens ?? 0,
    batch: step.batch ?? 1,
  }).seconds;
}

function takeSamples(measurements: readonly DecodeMeasurement[], storage: MeasuredStorage): readonly Sample[] {
  if (!Array.isArray(measurements)) refuse("measurements", measurements, "a list of measured decode steps");
  if (measurements.length < MINIMUM_MEASUREMENTS || measurements.length > MAXIMUM_MEASUREMENTS)
    throw new InvalidArgumentError(
      `measurements has ${measurements.length} entries; allowed: ${MINIMUM_MEASUREMENTS} to ${MAXIMUM_MEASUREMENTS}, because overhead, bandwidth and look-up rate are unknown. Time a model at several precisions.`,
    );
  const samples = measurements.map((measurement, index): Sample => {
    checkMilliseconds(index, measurement);
    return { measurement, seconds: measurement.milliseconds / 1e3, operators: volumesOf(measurement, storage) };
  });
  const bytes = samples.map(({ operators }) => operators.reduce((sum, operator) => sum + operator.bytes, 0));
  if (Math.max(...bytes) <= Math.min(...bytes) * (1 + 1e-6))
    throw new InvalidArgumentError(
      "All measurements move the same number of bytes, so overhead and bandwidth cannot be told apart. Measure at least two precisions or two models.",
    );
  return samples;
}

function describe(measurement: DecodeMeasurement): string {
  const precision =
    typeof measurement.precision === "number" ? `${measurement.precision} bits` : "a precision for each block";
  return `${measurement.model.name} at ${precision}, ${measurement.contextTokens ?? 0} cached tokens`;
}
