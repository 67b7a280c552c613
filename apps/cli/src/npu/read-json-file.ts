/** JSON documents named on the command line; `-` is standard input. */
import { readFile, stat } from "node:fs/promises";
import { InvalidFileError, MissingFileError } from "@stepdown/core";

/** Largest document that is read: a trace of a million tokens with a precision for each block takes less. */
const MAXIMUM_BYTES: number = 2 ** 28;

/** A JSON object, as found in a file; its values are not to be trusted. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Reads a file, or standard input for `-`, that must hold one JSON object. */
export async function readJsonObject(path: string): Promise<JsonObject> {
  const text = path === "-" ? await readStandardInput() : await readText(path);
  const name = path === "-" ? "standard input" : path;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InvalidFileError(`${name} is no JSON document: ${(cause as Error).message}`, { cause });
  }
  if (!isObject(value)) throw new InvalidFileError(`${name} must hold a JSON object, not ${describe(value)}.`);
  return value;
}

/** Whether a parsed value is an object with keys. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether something is at a path, and what. */
export async function kindOfPath(path: string): Promise<"file" | "directory" | undefined> {
  try {
    return (await stat(path)).isDirectory() ? "directory" : "file";
  } catch {
    return undefined;
  }
}

/** Whether a word can only be meant as a path: it begins with a dot or a slash, or has a JSON file's ending. */
export function looksLikePath(word: string): boolean {
  return /^[./~]/.test(word) || word.endsWith(".json") || word.endsWith("/");
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > MAXIMUM_BYTES)
      throw new InvalidFileError(`${path} has ${size} bytes; at most ${MAXIMUM_BYTES} are read.`);
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof InvalidFileError) throw cause;
    throw new MissingFileError(`Cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

async function readStandardInput(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const piece of process.stdin) {
    text += piece;
    if (text.length > MAXIMUM_BYTES)
      throw new InvalidFileError(`Standard input is longer than ${MAXIMUM_BYTES} characters.`);
  }
  return text;
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return value === null ? "null" : `a ${typeof value}`;
}
