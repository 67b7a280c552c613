import { InvalidFileError } from "@stepdown/core";
import { MAXIMUM_JSON_BYTES } from "./limits.js";
import type { ByteReadOptions, ByteSource } from "./sources/byte-source.js";
import type { ModelDirectory } from "./sources/model-directory.js";

/** A JSON object whose members nobody has looked at yet. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object (no array, not null). */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Own member of an object, never one of its prototype. */
export function member(record: JsonRecord, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** An integer within bounds, or `undefined`. */
export function integerWithin(value: unknown, minimum: number, maximum: number): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= minimum && value <= maximum
    ? value
    : undefined;
}

/** Throws for a file that is too large to be a text beside a model. */
export function checkTextSize(source: ByteSource): void {
  if (source.size > MAXIMUM_JSON_BYTES) {
    throw new InvalidFileError(
      `${source.name}: has ${source.size} bytes, more than the ${MAXIMUM_JSON_BYTES} that a text beside a model may have`,
    );
  }
}

/** A whole small file as UTF-8 text. */
export async function readText(source: ByteSource, options: ByteReadOptions = {}): Promise<string> {
  checkTextSize(source);
  const bytes = await source.read(0, source.size, { signal: options.signal });
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InvalidFileError(`${source.name}: is no UTF-8 text`, { cause });
  }
}

/** Parses text as JSON; `name` is for the message. */
export function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidFileError(`${name}: is no JSON (${(cause as Error).message})`, { cause });
  }
}

/** A file of a directory as parsed JSON, or `undefined` where it is absent. */
export async function readJsonFile(
  directory: ModelDirectory,
  name: string,
  options: ByteReadOptions = {},
): Promise<unknown> {
  const source = await directory.open(name, { signal: options.signal });
  return source === undefined ? undefined : parseJson(await readText(source, options), source.name);
}

/** A file of a directory as JSON object, or `undefined` where it is absent. */
export async function readJsonObject(
  directory: ModelDirectory,
  name: string,
  options: ByteReadOptions = {},
): Promise<JsonRecord | undefined> {
  const value = await readJsonFile(directory, name, options);
  if (value === undefined || isRecord(value)) return value;
  throw new InvalidFileError(`${directory.location}: ${name} must hold a JSON object`);
}
