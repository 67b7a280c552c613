/**
 * Measured decode steps from the JSON of `stepdown-bench decode`: which rows, of which model, behind which context. A
 * row's case says both: "SmolLM2-135M shape, context 128", or a path instead of the name.
 */
import { InvalidArgumentError, InvalidFileError, isPrecision, type Precision } from "@stepdown/core";
import type { ModelShape } from "@stepdown/npu-model";
import { isObject, type JsonObject } from "./read-json-file.js";

/** One measured decode step. */
export interface MeasuredStep {
  readonly case: string;
  readonly model: ModelShape;
  readonly contextTokens: number;
  readonly engine: string;
  readonly threads: number;
  readonly codec: string;
  readonly bits: Precision;
  readonly milliseconds: number;
  /** Weight bytes as the runtime counts them, where the document says it. */
  readonly bytes: number | undefined;
  /** `false`: other programs disturbed the measurement. */
  readonly reliable: boolean;
}

/** Rows of one document before their models are looked up. */
export interface MeasurementDocument {
  /** What the machine calls itself. */
  readonly machine: string;
  readonly rows: readonly (Omit<MeasuredStep, "model"> & { readonly modelName: string })[];
}

/**
 * Which time of a row counts: the one that passed, or the processor's divided by the threads, which other programs disturb
 * less.
 */
export type MeasuredTime = "wall" | "processor";

/** The suite whose rows are decode steps. */
const SUITE = "decode";

/** "NAME shape, context N"; the word "shape" stands behind the name of synthetic weights. */
const CASE = /^(?<name>.+?)(?: shape)?, context (?<context>\d{1,7})$/;

/** Reads a document; rows of other suites are left out. Throws `InvalidFileError` naming the row and key. */
export function readMeasurements(document: JsonObject, path: string, time: MeasuredTime = "wall"): MeasurementDocument {
  if (isObject(document.error))
    throw new InvalidFileError(
      `${path} is the report of a failed run: ${String(document.error.message).slice(0, 300)}`,
    );
  const { specificationVersion: version, machine, rows } = document;
  if (version !== undefined && version !== "v1")
    throw new InvalidFileError(
      `${path} has specificationVersion ${JSON.stringify(version).slice(0, 40)}; known: "v1".`,
    );
  if (!Array.isArray(rows))
    throw new InvalidFileError(`${path} has no list rows; give what stepdown-bench decode --json printed.`);
  const found = rows.flatMap((row, index) =>
    isObject(row) && row.suite === SUITE ? [readRow(row, `${path}: rows[${index}]`, time)] : [],
  );
  if (found.length === 0) {
    const suites = [...new Set(rows.map((row) => (isObject(row) ? String(row.suite) : "no object")))];
    throw new InvalidFileError(`${path} has no rows of suite ${SUITE}; found: ${suites.join(", ") || "none"}.`);
  }
  const cpu = isObject(machine) && typeof machine.cpu === "string" ? machine.cpu : "measured machine";
  return { machine: cpu.slice(0, 200), rows: found };
}

function readRow(row: JsonObject, where: string, time: MeasuredTime): MeasurementDocument["rows"][number] {
  const text = (key: string): string => {
    const value = row[key];
    if (typeof value !== "string" || value === "") throw new InvalidFileError(`${where}.${key} must be a text.`);
    return value;
  };
  const positive = (key: string): number => {
    const value = row[key];
    if (typeof value !== "number" || !(value > 0) || !Number.isFinite(value))
      throw new InvalidFileError(`${where}.${key} must be a number above 0.`);
    return value;
  };
  const { groups } = CASE.exec(text("case")) ?? {};
  if (groups === undefined)
    throw new InvalidFileError(
      `${where}.case is ${JSON.stringify(row.case).slice(0, 80)}; expected a model and its context, such as "SmolLM2-135M shape, context 128".`,
    );
  const { bits } = row;
  if (!isPrecision(bits)) throw new InvalidFileError(`${where}.bits must be 1 to 8, 16 or 32.`);
  return {
    case: text("case"),
    modelName: groups.name!,
    contextTokens: Number(groups.context),
    engine: text("engine"),
    threads: positive("threads"),
    codec: text("codec"),
    bits,
    milliseconds:
      time === "wall" ? positive("medianMilliseconds") : positive("processorMilliseconds") / positive("threads"),
    bytes: typeof row.bytes === "number" ? row.bytes : undefined,
    reliable: row.reliable !== false,
  };
}

/** Which rows one machine description can be fitted to. */
export interface RowChoice {
  readonly engine?: string;
  readonly threads?: number;
  readonly codec?: string;
}

/**
 * Rows of one engine, number of threads and codec: a description has one of each. What is not chosen must be the same in
 * all rows, but dense weights, usually the baseline, are left out where there are nested ones.
 */
export function chooseRows(rows: readonly MeasuredStep[], choice: RowChoice): readonly MeasuredStep[] {
  let left = narrow(rows, "engine", choice.engine);
  left = narrow(left, "threads", choice.threads);
  const nested = left.filter((row) => row.codec !== "dense");
  return narrow(choice.codec === undefined && nested.length > 0 ? nested : left, "codec", choice.codec);
}

function narrow(
  rows: readonly MeasuredStep[],
  key: "engine" | "threads" | "codec",
  wanted: string | number | undefined,
): readonly MeasuredStep[] {
  const values = [...new Set(rows.map((row) => row[key]))];
  if (wanted === undefined && values.length > 1)
    throw new InvalidArgumentError(
      `The rows have several values of ${key}: ${values.join(", ")}. One machine description has one; choose with --${key}.`,
    );
  if (wanted === undefined) return rows;
  const chosen = rows.filter((row) => row[key] === wanted);
  if (chosen.length === 0)
    throw new InvalidArgumentError(`No row has --${key} ${wanted}; the rows have ${values.join(", ")}.`);
  return chosen;
}
