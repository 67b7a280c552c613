/**
 * The directory `….partial` beside the output: finished layers of a run, for the next one if this one is stopped.
 *
 * `key.json` says what the layers depend on apart from their weights, whose hash every layer file has; layers of another
 * key are thrown away. `assembling` appears when all layers are there and the output directory belongs to this run.
 */
import { OutputFailedError } from "@stepdown/core";
import { makeDirectory } from "@stepdown/model-format";
import { readRange, TEMPORARY_SUFFIX, writeAtomically } from "./node-files.js";

/** Marks a directory as ours, and its layout. */
const FORMAT = "stepdown-partial-1";

const KEY_FILE = "key.json";
const ASSEMBLING_FILE = "assembling";

/** A key has options, names and hashes; a larger file is not one. */
const MAXIMUM_KEY_BYTES = 65536;

/** An opened work directory. */
export interface WorkDirectory {
  /** Whether layers of another key were found and thrown away. */
  readonly discarded: boolean;
  /** Whether a run of this key had begun to write the output. */
  readonly assembling: boolean;
  /** Path of a layer's file. */
  pathOf(layer: string): string;
  /** Says that the output directory belongs to this run from now on. */
  beginAssembly(): Promise<void>;
  /** Deletes the directory. */
  remove(): Promise<void>;
}

/** What a look at a work directory finds, before anything is changed. */
export interface WorkDirectoryState {
  readonly found: "nothing" | "same-key" | "other-key";
  readonly assembling: boolean;
}

/** Looks at a work directory. Throws `OutputFailedError` where the path holds something that is not ours. */
export async function inspectWorkDirectory(path: string, key: object): Promise<WorkDirectoryState> {
  const { readdir } = await import("node:fs/promises");
  let names: string[];
  try {
    names = await readdir(path);
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ENOENT") return { found: "nothing", assembling: false };
    throw new OutputFailedError(`${path} is needed for unfinished work but cannot be used as a directory.`, { cause });
  }
  const text = await readKey(`${path}/${KEY_FILE}`);
  // A run stopped before its key was complete leaves nothing but the key's temporary file.
  if (text === undefined && names.every((name) => name.startsWith(KEY_FILE) && name.endsWith(TEMPORARY_SUFFIX))) {
    return { found: "nothing", assembling: false };
  }
  if (text === undefined || !text.startsWith(`{"format":"${FORMAT}"`)) {
    throw new OutputFailedError(
      `${path} exists and does not hold unfinished work of this program; move it away or choose another output directory.`,
    );
  }
  const same = text === serializeKey(key);
  return { found: same ? "same-key" : "other-key", assembling: same && names.includes(ASSEMBLING_FILE) };
}

/** Opens or creates a work directory for `key`, throwing away what belongs to another. */
export async function openWorkDirectory(path: string, key: object): Promise<WorkDirectory> {
  const { readdir, rm } = await import("node:fs/promises");
  const state = await inspectWorkDirectory(path, key);
  try {
    if (state.found === "other-key") await clear(path);
    await makeDirectory(path);
    for (const name of await readdir(path)) {
      if (name.endsWith(TEMPORARY_SUFFIX)) await rm(`${path}/${name}`, { force: true });
    }
  } catch (cause) {
    throw new OutputFailedError(`${path} cannot be prepared for unfinished work: ${(cause as Error).message}.`, {
      cause,
    });
  }
  if (state.found !== "same-key") await writeAtomically(`${path}/${KEY_FILE}`, [encode(serializeKey(key))]);
  return {
    discarded: state.found === "other-key",
    assembling: state.assembling,
    pathOf: (layer) => `${path}/${layer}.layer`,
    beginAssembly: () => writeAtomically(`${path}/${ASSEMBLING_FILE}`, []),
    remove: () => clear(path),
  };
}

/** Deletes a work directory, its key last: whatever is left by a run killed here is still known as ours. */
async function clear(path: string): Promise<void> {
  const { readdir, rm, rmdir } = await import("node:fs/promises");
  const rank = (name: string): number => (name === KEY_FILE ? 2 : name === ASSEMBLING_FILE ? 1 : 0);
  const names = await readdir(path);
  for (const name of names.sort((a, b) => rank(a) - rank(b))) await rm(`${path}/${name}`, { force: true });
  await rmdir(path);
}

async function readKey(path: string): Promise<string | undefined> {
  const { stat } = await import("node:fs/promises");
  const size = await stat(path).then(
    (stats) => stats.size,
    () => undefined,
  );
  if (size === undefined || size > MAXIMUM_KEY_BYTES) return undefined;
  const bytes = await readRange(path, 0, size);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

function serializeKey(key: object): string {
  return JSON.stringify({ format: FORMAT, ...key });
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
