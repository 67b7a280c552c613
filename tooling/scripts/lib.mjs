// Shared by the scripts of this folder: where things are, and running commands. Node built-ins only: the first script a
// fresh clone runs uses it before anything is installed.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** Runs a command in the repository root (or `cwd`); with `quiet`, shows its output only when it fails. Exits on failure. */
export function run(command, args, { quiet = false, cwd = root, env = {} } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
    // turbo runs the packages' scripts through pnpm and looks for it on the path.
    env: {
      ...process.env,
      PATH: `${join(root, "node_modules/.bin")}${delimiter}${process.env.PATH}`,
      TURBO_TELEMETRY_DISABLED: "1",
      DO_NOT_TRACK: "1",
      ...env,
    },
  });
  if (result.status !== 0) {
    if (quiet) process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}`);
    process.stderr.write(`Failed: ${command} ${args.join(" ")} (exit code ${result.status ?? result.signal})\n`);
    process.exit(result.status ?? 1);
  }
  return result.stdout ?? "";
}

/** The package manager pinned in the root package.json, run through npx so that nothing but npm is needed. */
export function pnpm(args, options) {
  const pinned = readJson(join(root, "package.json")).packageManager;
  return run("npx", ["--yes", pinned, ...args], options);
}

export function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** Every workspace package under packages/ and apps/: `{ name, folder, path, manifest }`. */
export function workspacePackages() {
  return ["packages", "apps"].flatMap((group) =>
    readdirSync(join(root, group))
      .filter((folder) => existsSync(join(root, group, folder, "package.json")))
      .map((folder) => {
        const path = join(root, group, folder);
        const manifest = readJson(join(path, "package.json"));
        return { name: manifest.name, folder, path, manifest };
      }),
  );
}

/** Files below a folder, without node_modules, dist and hidden folders. */
export function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (["node_modules", "dist"].includes(entry.name) || entry.name.startsWith(".")) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** Newest modification time, in milliseconds, of files (0 where there are none). */
export function newest(files) {
  return files.reduce((latest, file) => Math.max(latest, statSync(file).mtimeMs), 0);
}
