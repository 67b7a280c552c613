import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { InvalidFileError, MissingFileError } from "@stepdown/core";

/** A text file; throws `MissingFileError` where it cannot be read and `InvalidFileError` where it is no UTF-8. */
export async function readTextFile(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new MissingFileError(`Cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
  if (!isUtf8(bytes)) throw new InvalidFileError(`${path} is no UTF-8 text. Give a text file, or convert this one.`);
  return bytes.toString("utf8");
}
