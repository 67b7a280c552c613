/** Reads a result document. A file may come from anywhere: every member that is used is checked. */
import { readFile } from "node:fs/promises";
import { InvalidFileError, MissingFileError, UnsupportedError } from "@stepdown/core";
import { DOCUMENT_VERSION, type MachineReport, type ResultRow } from "../report/result-document.js";

/** The members of a row that a comparison needs. */
export type ComparedRow = Pick<
  ResultRow,
  "suite" | "case" | "engine" | "codec" | "bits" | "threads" | "medianMilliseconds" | "reliable" | "samples"
>;

/** The part of a document that a comparison needs. */
export interface ComparedDocument {
  readonly machine: Pick<MachineReport, "cpu" | "cores" | "node">;
  readonly rows: readonly ComparedRow[];
}

/** Most rows and samples; far above what a run writes. */
const MAXIMUM_ROWS = 100_000;
const MAXIMUM_SAMPLES = 1_000_000;

/** Reads and checks a file. */
export async function readDocument(path: string): Promise<ComparedDocument> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new MissingFileError(`${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InvalidFileError(`${path} is no JSON: ${(cause as Error).message}`, { cause });
  }
  return parseDocument(value, path);
}

/** Checks a parsed document. */
export function parseDocument(value: unknown, where: string): ComparedDocument {
  const document = asObject(value, where, "a result document of --json");
  if (document.specificationVersion !== DOCUMENT_VERSION) {
    throw new UnsupportedError(
      `${where}: specificationVersion is ${show(document.specificationVersion)}, read is ${DOCUMENT_VERSION}. Give a document that --json has written.`,
    );
  }
  const machine = asObject(document.machine, where, "an object machine");
  if (!Array.isArray(document.rows) || document.rows.length > MAXIMUM_ROWS) {
    throw new InvalidFileError(`${where}: rows must be a list of at most ${MAXIMUM_ROWS} rows.`);
  }
  return {
    machine: {
      cpu: asText(machine.cpu, `${where}: machine.cpu`),
      cores: asNumber(machine.cores, `${where}: machine.cores`),
      node: asText(machine.node, `${where}: machine.node`),
    },
    rows: document.rows.map((row, index) => parseRow(row, `${where}: rows[${index}]`)),
  };
}

function parseRow(value: unknown, where: string): ComparedRow {
  const row = asObject(value, where, "an object");
  const { samples, reliable } = row;
  const isTime = (sample: unknown): boolean => typeof sample === "number" && Number.isFinite(sample) && sample > 0;
  if (!Array.isArray(samples) || samples.length === 0 || samples.length > MAXIMUM_SAMPLES || !samples.every(isTime)) {
    throw new InvalidFileError(`${where}.samples must be a list of times above 0.`);
  }
  if (typeof reliable !== "boolean")
    throw new InvalidFileError(`${where}.reliable is ${show(reliable)}, not true or false.`);
  return {
    suite: asText(row.suite, `${where}.suite`),
    case: asText(row.case, `${where}.case`),
    engine: asText(row.engine, `${where}.engine`),
    codec: asText(row.codec, `${where}.codec`),
    bits: asNumber(row.bits, `${where}.bits`),
    threads: asNumber(row.threads, `${where}.threads`),
    medianMilliseconds: asNumber(row.medianMilliseconds, `${where}.medianMilliseconds`),
    reliable,
    samples: samples as number[],
  };
}

function asObject(value: unknown, where: string, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new InvalidFileError(`${where}: expected ${what}, found ${show(value)}.`);
}

function asText(value: unknown, where: string): string {
  // Control characters could write over the terminal's earlier lines.
  if (typeof value === "string" && value.length <= 1000 && !/\p{Cc}/u.test(value)) return value;
  throw new InvalidFileError(`${where} is ${show(value)}, not a short text.`);
}

function asNumber(value: unknown, where: string): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new InvalidFileError(`${where} is ${show(value)}, not a number.`);
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? "absent").slice(0, 80);
}
