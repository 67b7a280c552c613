/** Where measurements are kept between runs. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { OutputFailedError } from "@stepdown/core";

/** Unfinished files of killed runs are removed after a day; a younger one may belong to a run that is still going. */
const ABANDONED_MILLISECONDS = 24 * 3600 * 1000;

/**
 * The cache directory: `STEPDOWN_CACHE`, else `stepdown` in the user's cache folder (`XDG_CACHE_HOME`, `~/.cache`,
 * `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows).
 */
export function cacheDirectory(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: string = process.platform,
): string {
  if (environment.STEPDOWN_CACHE) return resolve(environment.STEPDOWN_CACHE);
  if (platform === "win32")
    return join(environment.LOCALAPPDATA || join(homedir(), "AppData", "Local"), "stepdown", "cache");
  if (platform === "darwin") return join(homedir(), "Library", "Caches", "stepdown");
  return join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "stepdown");
}

/** The directory of measurements inside it, made where it is missing, so that a place that cannot be written shows early. */
export async function openSensitivityCache(): Promise<string> {
  const directory = join(cacheDirectory(), "sensitivity");
  try {
    await mkdir(directory, { recursive: true });
    for (const name of await readdir(directory)) {
      if (!/\.partial-[0-9a-f]{8}$/.test(name)) continue;
      const path = join(directory, name);
      if (Date.now() - (await stat(path)).mtimeMs > ABANDONED_MILLISECONDS) await rm(path, { force: true });
    }
  } catch (cause) {
    throw new OutputFailedError(
      `${directory} cannot be used as a cache: ${(cause as Error).message}. Set STEPDOWN_CACHE to a directory that can be written.`,
      { cause },
    );
  }
  return directory;
}
