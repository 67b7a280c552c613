import { InvalidFileError, UnsupportedError } from "@stepdown/core";
import { isRecord, member, parseJson } from "../json.js";
import { MAXIMUM_DIMENSION, MAXIMUM_NAME_LENGTH, MAXIMUM_RANK, MAXIMUM_TENSORS_PER_FILE } from "../limits.js";
import { safetensorsBits } from "./data-type.js";
import { findDuplicateKey } from "./find-duplicate-key.js";

/** One tensor of a safetensors header. */
export interface SafetensorsEntry {
  readonly type: string;
  /** Outermost dimension first; empty for a scalar. */
  readonly shape: readonly number[];
  /** Bytes from the start of the data, after the header. */
  readonly offset: number;
  readonly bytes: number;
}

/** What a safetensors header says. */
export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Checks the JSON text of a safetensors header against the format and against `dataBytes`, the bytes that follow it.
 *
 * The format demands that tensors cover the data without overlap or hole; offsets, shapes and types must agree.
 */
export function parseSafetensorsHeader(text: string, dataBytes: number, name: string): SafetensorsHeader {
  const refuse = (what: string): never => {
    throw new InvalidFileError(`${name}: safetensors header ${what}`);
  };
  const root = parseJson(text, `${name}: safetensors header`);
  if (!isRecord(root)) return refuse("is no JSON object");
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) refuse(`has the key ${short(duplicate)} twice or nests too deeply`);

  const tensors = new Map<string, SafetensorsEntry>();
  const metadata = new Map<string, string>();
  for (const [key, value] of Object.entries(root)) {
    if (key === "__metadata__") {
      if (!isRecord(value)) return refuse("has metadata that are no object");
      for (const [field, entry] of Object.entries(value)) {
        if (typeof entry !== "string") return refuse(`has metadata "${short(field)}" that is no string`);
        metadata.set(field, entry);
      }
      continue;
    }
    if (key.length > MAXIMUM_NAME_LENGTH)
      refuse(`has a name of ${key.length} characters, more than ${MAXIMUM_NAME_LENGTH}`);
    tensors.set(key, parseEntry(key, value, dataBytes, name));
    if (tensors.size > MAXIMUM_TENSORS_PER_FILE) refuse(`lists more than ${MAXIMUM_TENSORS_PER_FILE} tensors`);
  }

  let end = 0;
  for (const [key, entry] of [...tensors].sort((a, b) => a[1].offset - b[1].offset || a[1].bytes - b[1].bytes)) {
    if (entry.offset !== end) {
      refuse(
        `places tensor "${short(key)}" at ${entry.offset}, ${entry.offset < end ? "inside another" : "after a hole"} (expected ${end})`,
      );
    }
    end = entry.offset + entry.bytes;
  }
  if (end !== dataBytes) {
    refuse(
      `describes ${end} bytes of tensors, the file has ${dataBytes}; ${end > dataBytes ? "it is truncated" : "something was appended"}`,
    );
  }
  return { tensors, metadata };
}

function parseEntry(key: string, value: unknown, dataBytes: number, name: string): SafetensorsEntry {
  const refuse = (what: string): never => {
    throw new InvalidFileError(`${name}: tensor "${short(key)}" ${what}`);
  };
  if (!isRecord(value)) return refuse("has an entry that is no object");
  const type = member(value, "dtype");
  const shape = member(value, "shape");
  const range = member(value, "data_offsets");
  if (typeof type !== "string") return refuse("has no dtype");
  const bits = safetensorsBits.get(type);
  if (bits === undefined) {
    throw new UnsupportedError(`${name}: tensor "${short(key)}" has the unknown type "${short(type)}"`);
  }
  if (!Array.isArray(shape) || shape.length > MAXIMUM_RANK)
    return refuse(`needs a shape of at most ${MAXIMUM_RANK} dimensions`);
  let elements = 1;
  for (const dimension of shape as unknown[]) {
    if (
      typeof dimension !== "number" ||
      !Number.isInteger(dimension) ||
      dimension < 0 ||
      dimension > MAXIMUM_DIMENSION
    ) {
      return refuse(`has the impossible dimension ${short(String(dimension))}`);
    }
    elements *= dimension;
    if (elements > Number.MAX_SAFE_INTEGER / 64) return refuse("has more elements than any file can hold");
  }
  if (!Array.isArray(range) || range.length !== 2) return refuse("needs two data_offsets");
  const [begin, end] = range as unknown[];
  if (!isOffset(begin) || !isOffset(end) || end < begin) return refuse("has impossible data_offsets");
  if (end > dataBytes)
    return refuse(`ends at byte ${end} of the data, but only ${dataBytes} follow the header; the file is truncated`);
  const bytes = (elements * bits) / 8;
  if (end - begin !== bytes)
    return refuse(`has ${end - begin} bytes, but ${type} [${shape.join(", ")}] takes ${bytes}`);
  return { type, shape: shape as number[], offset: begin, bytes };
}

function isOffset(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Untrusted text cut to a length that a message can bear. */
function short(text: string): string {
  return text.length > 100 ? `${text.slice(0, 97)}…` : text;
}
