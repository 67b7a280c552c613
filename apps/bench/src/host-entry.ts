/**
 * Where the programs of the peers' child processes are. This file stands at the top of `src` because its address is the
 * same from there as from the built `dist`.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

/** A program for `fork`, and the arguments that Node needs for it. */
export interface HostEntry {
  readonly path: string;
  readonly execArgv: readonly string[];
}

/** The program of one kind of host: built, or from the sources where those are what runs. */
export function hostEntry(name: string): HostEntry {
  const built = new URL(`./hosts/${name}.js`, import.meta.url);
  if (existsSync(built)) return { path: fileURLToPath(built), execArgv: [] };
  const loader = createRequire(import.meta.url).resolve("tsx");
  return {
    path: fileURLToPath(new URL(`./hosts/${name}.ts`, import.meta.url)),
    execArgv: ["--import", pathToFileURL(loader).href],
  };
}
