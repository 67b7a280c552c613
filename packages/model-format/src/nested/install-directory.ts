/**
 * Puts a finished directory in its place; Node only. Files of strangers are never deleted, and a directory that holds any
 * is only written into when the caller says so.
 */

import { InvalidArgumentError } from "@stepdown/core";
import { isRecord, member } from "../json.js";
import { nodeBuiltin } from "../node-builtin.js";
import { attempt } from "../output-file.js";
import { SAFETENSORS_INDEX_FILE } from "../safetensors/open-tensor-set.js";
import { textAssetNames } from "../text-assets.js";
import { QUANTIZATION_METHOD } from "./quantization-config.js";

/** Names of the shards that {@link shardName} gives. */
const shardPattern = /^model-\d{5}-of-\d{5}\.safetensors$/;

/** Name of shard `i` (from 1) of `count`. */
export function shardName(i: number, count: number): string {
  return `model-${String(i).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.safetensors`;
}

/** Throws `InvalidArgumentError` unless a model may be written to this directory. */
export async function checkTarget(directory: string, overwrite: boolean): Promise<void> {
  const names = await listOrUndefined(directory);
  if (names === undefined || names.length === 0 || overwrite) return;
  const found = (await isOurs(directory))
    ? "already holds a nested model"
    : `is not empty (${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""})`;
  throw new InvalidArgumentError(`${directory} ${found}; choose another directory, or allow overwriting`);
}

/** Moves all files of `finished` to `directory`, replacing a model of ours that is there, and removes `finished`. */
export async function installDirectory(finished: string, directory: string, overwrite: boolean): Promise<void> {
  const fs = nodeBuiltin("node:fs/promises");
  const { join } = nodeBuiltin("node:path");
  await checkTarget(directory, overwrite);
  const old = await listOrUndefined(directory);
  if (old === undefined || old.length === 0) {
    if (old !== undefined) await attempt(directory, () => fs.rmdir(directory));
    await attempt(directory, () => fs.rename(finished, directory));
    return;
  }
  const fresh = await attempt(finished, () => fs.readdir(finished));
  const ours = await isOurs(directory);
  // config.json goes last: until then the old configuration and the new shards do not fit together and are refused.
  for (const name of fresh.sort((a, b) => Number(a === "config.json") - Number(b === "config.json"))) {
    await attempt(join(directory, name), () => fs.rename(join(finished, name), join(directory, name)));
  }
  if (ours) {
    const stale = old.filter(
      (name) => !fresh.includes(name) && (shardPattern.test(name) || textAssetNames.includes(name)),
    );
    for (const name of stale) await attempt(join(directory, name), () => fs.rm(join(directory, name)));
  }
  await attempt(finished, () => fs.rmdir(finished));
}

async function listOrUndefined(directory: string): Promise<string[] | undefined> {
  const fs = nodeBuiltin("node:fs/promises");
  return attempt(directory, async () => {
    try {
      return (await fs.readdir(directory)).sort();
    } catch (error) {
      if ((error as { code?: unknown }).code === "ENOENT") return undefined;
      throw error;
    }
  });
}

async function isOurs(directory: string): Promise<boolean> {
  const fs = nodeBuiltin("node:fs/promises");
  const { join } = nodeBuiltin("node:path");
  try {
    await fs.access(join(directory, SAFETENSORS_INDEX_FILE));
    const config: unknown = JSON.parse(await fs.readFile(join(directory, "config.json"), "utf8"));
    const quantization = isRecord(config) ? member(config, "quantization_config") : undefined;
    return isRecord(quantization) && member(quantization, "quant_method") === QUANTIZATION_METHOD;
  } catch {
    return false;
  }
}
