/**
 * A machine fitted to measured decode steps: how the measured runtime stores its weights, which rows are fitted, which
 * predicted, and what the comparison shows.
 */
import type { Precision } from "@stepdown/core";
import {
  type CodecDescription,
  createHardware,
  type DecodeMeasurement,
  type FittedRate,
  fitHardware,
  type HardwareFit,
  type HeadBits,
  MEASURED_PROFILE,
  type ModelShape,
  predictMilliseconds,
  priceForward,
} from "@stepdown/npu-model";
import { chosenCodec } from "./cost-options.js";
import { holdOut } from "./hold-out.js";
import type { MeasuredStep } from "./measurement-documents.js";
import { formatSi } from "./si-units.js";

/** What may be said about storage and fit on the command line. */
export interface FitWishes {
  readonly groupSize?: number;
  readonly scaleBits?: 8 | 16;
  readonly headBits?: HeadBits;
  readonly cacheBits?: number;
  readonly holdOut?: readonly Precision[] | "none";
  /** Percent. */
  readonly maximumError?: number;
  readonly name: string;
}

/** A fit with its rows, and what has to be said about it. */
export interface ComparedFit {
  readonly fit: HardwareFit;
  readonly storage: MeasuredStorage;
  readonly rows: readonly ComparedRow[];
  readonly summary: FitSummary;
  readonly notes: readonly string[];
}

/** Figures of a fit, for programs and for the description's file. */
export interface FitSummary {
  readonly bandwidth: FittedRate;
  readonly lookUps: FittedRate;
  /** Multiply-accumulates per second; `none` where all rows have one context. */
  readonly attention: FittedRate;
  readonly overheadSeconds: number;
  readonly fittedBits: readonly number[];
  readonly heldOutBits: readonly number[];
  readonly fittedErrors: FitErrors | null;
  readonly heldOutErrors: FitErrors | null;
}

/** Relative errors of some rows; `null` in a summary where there are no rows. */
export interface FitErrors {
  readonly rootMeanSquare: number;
  readonly largest: number;
}

/** How the measured runtime stores things. */
export interface MeasuredStorage {
  readonly codec: CodecDescription;
  readonly headBits: HeadBits;
  readonly keyValueBits: number;
}

/** A row beside the fit. */
export interface ComparedRow extends MeasuredStep {
  readonly predictedMilliseconds: number;
  readonly relativeError: number;
  readonly heldOut: boolean;
}

/** Bits of the head beside nested blocks, the quantizer's default. */
const USUAL_HEAD_BITS = 8;
/** Bits of a cached number, the runtime's default. */
const USUAL_CACHE_BITS = 32;
/** Group sizes of binary-coded weights that the benchmark tries, in its order. */
const GROUP_SIZES: readonly number[] = [128, 96, 64];
/** Weight bytes that differ more from the benchmark's own count mean that codec or head are not as described. */
const BYTE_TOLERANCE = 0.03;

/** Fits a machine to rows of one engine and codec, some of them held out. */
export function fitRows(rows: readonly MeasuredStep[], wishes: FitWishes): ComparedFit {
  const storage = storageOf(rows, wishes);
  const { fitted, heldOut } = holdOut(rows, wishes.holdOut);
  const fit = fitHardware(fitted.map(measurementOf), {
    ...storage,
    name: wishes.name,
    ...(wishes.maximumError === undefined ? {} : { maximumRelativeError: wishes.maximumError / 100 }),
  });
  const compared = rows.map((row): ComparedRow => {
    const predictedMilliseconds = predictMilliseconds(fit, measurementOf(row));
    const relativeError = predictedMilliseconds / row.milliseconds - 1;
    return { ...row, predictedMilliseconds, relativeError, heldOut: heldOut.includes(row) };
  });
  return {
    fit,
    storage,
    rows: compared,
    summary: summaryOf(fit, compared),
    notes: [...fit.notes, ...notesOn(compared, storage)],
  };
}

/** How the measured runtime stores its weights: what the rows say, completed by the runtime's defaults. */
function storageOf(rows: readonly MeasuredStep[], options: FitWishes): MeasuredStorage {
  const { codec: name } = rows[0]!;
  const dense = name === "dense";
  const groupSize = options.groupSize ?? groupSizeFor(rows.map(({ model }) => model));
  const codec: CodecDescription = dense
    ? { codec: "plain" }
    : chosenCodec({ ...options, codec: name, ...(name === "bcq" ? { groupSize } : {}) })!;
  return {
    codec,
    headBits: options.headBits ?? (dense ? "body" : USUAL_HEAD_BITS),
    keyValueBits: options.cacheBits ?? USUAL_CACHE_BITS,
  };
}

function groupSizeFor(models: readonly ModelShape[]): number {
  const columns = models.flatMap(({ linears }) => linears.map((linear) => linear.columns));
  return GROUP_SIZES.find((size) => columns.every((count) => count % size === 0)) ?? GROUP_SIZES.at(-1)!;
}

function measurementOf({ model, bits, contextTokens, milliseconds }: MeasuredStep): DecodeMeasurement {
  return { model, precision: bits, contextTokens, milliseconds };
}

function notesOn(used: readonly ComparedRow[], storage: MeasuredStorage): string[] {
  const notes: string[] = [];
  const disturbed = used.filter((row) => !row.reliable).length;
  if (disturbed > 0) notes.push(`${disturbed} of ${used.length} rows were measured while other programs ran.`);
  const off = used.filter(
    (row) => row.bytes !== undefined && Math.abs(weightBytesOf(row, storage) / row.bytes - 1) > BYTE_TOLERANCE,
  );
  const [first] = off;
  if (first !== undefined)
    notes.push(
      `The benchmark counts ${formatSi(first.bytes!, "B")} of weights for ${first.case} at ${first.bits} bits, this model ${formatSi(weightBytesOf(first, storage), "B")}; check --head-bits and --group-size.`,
    );
  return notes;
}

/** Weight bytes of a row's step, without cache and activations. */
function weightBytesOf({ model, bits }: MeasuredStep, { codec, headBits, keyValueBits }: MeasuredStorage): number {
  const compute = { kind: "macs", macsPerCycle: 1 } as const;
  const hardware = createHardware({ name: "count", compute, bandwidthBytesPerSecond: 1 });
  const profile = { ...MEASURED_PROFILE, headBits, keyValueBits };
  const { traffic } = priceForward({ hardware, model, precision: bits, codec, profile });
  return traffic.weights + traffic.tables + traffic.vectors;
}

function summaryOf(fit: HardwareFit, rows: readonly ComparedRow[]): FitSummary {
  const errors = (heldOut: boolean): FitErrors | null => errorsOf(rows.filter((row) => row.heldOut === heldOut));
  return {
    bandwidth: fit.bandwidth,
    lookUps: fit.lookUps,
    attention: fit.attention,
    overheadSeconds: fit.overheadSeconds,
    fittedBits: bitsOf(rows, false),
    heldOutBits: bitsOf(rows, true),
    fittedErrors: errors(false),
    heldOutErrors: errors(true),
  };
}

function bitsOf(rows: readonly ComparedRow[], heldOut: boolean): number[] {
  return [...new Set(rows.filter((row) => row.heldOut === heldOut).map((row) => row.bits))].sort((a, b) => a - b);
}

function errorsOf(rows: readonly ComparedRow[]): FitErrors | null {
  if (rows.length === 0) return null;
  const squares = rows.reduce((sum, row) => sum + row.relativeError ** 2, 0);
  return {
    rootMeanSquare: Math.sqrt(squares / rows.length),
    largest: Math.max(...rows.map((row) => Math.abs(row.relativeError))),
  };
}
