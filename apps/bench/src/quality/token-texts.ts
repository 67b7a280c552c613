/** The texts of a run as token ids: plain text, documents of a JSON-lines file, or ids in a safetensors file. */
import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { InvalidArgumentError, InvalidFileError, MissingFileError, type Tokenizer } from "@stepdown/core";
import { openFileSource, openSafetensors } from "@stepdown/model-format";

/** A `--text` value: `NAME=FILE[#PART]`. */
export interface TextOption {
  readonly name: string;
  readonly path: string;
  /** Tensor of a safetensors file (default: the name), or documents `FROM-TO` of a JSON-lines file (default: all). */
  readonly part?: string;
}

/** Token ids of a text. */
export interface TokenText {
  readonly name: string;
  /** Where they are from, for people: file name and part. */
  readonly origin: string;
  readonly ids: readonly number[];
}

/** Reads a `--text` value. */
export function parseTextOption(text: string): TextOption {
  const [, name, path, part] = /^([^=]+)=([^#]+)(?:#(.+))?$/.exec(text) ?? [];
  if (name === undefined || path === undefined) {
    throw new InvalidArgumentError(`--text ${JSON.stringify(text)} is not NAME=FILE or NAME=FILE#PART.`);
  }
  return { name: name.trim(), path, ...(part === undefined ? {} : { part }) };
}

/** Reads and tokenizes; `tokenizer` is only made where ids are not given already. */
export async function readTokenText(option: TextOption, tokenizer: () => Promise<Tokenizer>): Promise<TokenText> {
  const { name, path, part } = option;
  const origin = `${basename(path)}${part === undefined ? "" : `#${part}`}`;
  if (path.endsWith(".safetensors")) return { name, origin, ids: await readIds(path, part ?? name) };
  const text = await readText(path);
  const whole = path.endsWith(".jsonl") ? joinDocuments(path, text, part) : text;
  if (part !== undefined && !path.endsWith(".jsonl")) {
    throw new InvalidArgumentError(`--text ${path}#${part}: plain text has no parts; leave #${part} out.`);
  }
  return { name, origin, ids: [...(await tokenizer()).encode(whole)] };
}

async function readIds(path: string, tensor: string): Promise<number[]> {
  const source = await openFileSource(path);
  if (source === undefined) throw new MissingFileError(`--text ${path}: there is no such file.`);
  const file = await openSafetensors(source);
  const entry = file.tensors.get(tensor);
  if (entry === undefined) {
    throw new MissingFileError(
      `${path} holds ${[...file.tensors.keys()].join(", ")}, not ${tensor}. Write FILE#TENSOR.`,
    );
  }
  if (entry.type !== "I32") throw new InvalidFileError(`${path}: ${tensor} is ${entry.type}; token ids are I32.`);
  const bytes = await file.readBytes(tensor);
  return [...new Int32Array(Uint8Array.from(bytes).buffer)];
}

/** Field `text` of the documents, joined by one space as Any-Precision LLM joins C4. */
function joinDocuments(path: string, lines: string, part: string | undefined): string {
  const [, from, to] = part === undefined ? ["", "0", undefined] : (/^(\d+)-(\d+)$/.exec(part) ?? []);
  if (from === undefined) throw new InvalidArgumentError(`--text ${path}#${part}: documents are written FROM-TO.`);
  const documents = lines.split("\n").filter((line) => line.trim() !== "");
  const chosen = documents.slice(Number(from), to === undefined ? undefined : Number(to) + 1);
  return chosen
    .map((line, index) => {
      try {
        const { text } = JSON.parse(line) as { text?: unknown };
        if (typeof text === "string") return text;
      } catch {
        // Told below, with its place.
      }
      throw new InvalidFileError(`${path}: document ${Number(from) + index} is no JSON object with a "text".`);
    })
    .join(" ");
}

async function readText(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new MissingFileError(`--text ${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  if (!isUtf8(bytes)) {
    throw new InvalidFileError(
      `--text ${path} is no UTF-8 text; give a text, .jsonl documents or .safetensors tokens.`,
    );
  }
  return bytes.toString("utf8");
}
