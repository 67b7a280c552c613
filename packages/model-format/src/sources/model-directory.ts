import { InvalidFileError } from "@stepdown/core";
import { MAXIMUM_FILE_NAME_LENGTH } from "../limits.js";
import type { ByteReadOptions, ByteSource } from "./byte-source.js";

/** A flat set of named files: a local directory, a base URL, files picked in a browser. */
export interface ModelDirectory {
  /** Where it is, for messages. */
  readonly location: string;
  /** Names of all files. Absent where nobody can know, as with a base URL. */
  list?(options?: ByteReadOptions): Promise<readonly string[]>;
  /** The file of that name, or `undefined` where there is none. Throws `InvalidFileError` for names that leave the directory. */
  open(name: string, options?: ByteReadOptions): Promise<ByteSource | undefined>;
}

/** Throws unless a name, which may come from a hostile index, is the plain name of a file in the directory. */
export function checkFileName(name: string, location: string): void {
  if (
    name.length === 0 ||
    name.length > MAXIMUM_FILE_NAME_LENGTH ||
    name === "." ||
    name === ".." ||
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    /[/\\:\u0000-\u001f]/.test(name)
  ) {
    throw new InvalidFileError(
      `${location}: "${name.slice(0, 80)}" is no plain file name; files of a model lie beside each other`,
    );
  }
}
