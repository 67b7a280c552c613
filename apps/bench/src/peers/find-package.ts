/**
 * Finds a package that is installed beside the user's own things, not beside ours: peers are never dependencies. Looks in
 * `node_modules` of a folder and of all folders above it, as Node does.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** A package that was found. */
export interface FoundPackage {
  readonly version: string;
  readonly folder: string;
  /** The file that `import` would load. */
  readonly entry: string;
}

/** Conditions under which an export is taken, as `import` in Node has them. */
const CONDITIONS: ReadonlySet<string> = new Set(["node", "import", "module", "default"]);

/** The package as seen from a folder, or `undefined`. */
export function findPackage(name: string, from: string): FoundPackage | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const found = join(folder, "node_modules", name);
    const manifestPath = join(found, "package.json");
    if (existsSync(manifestPath)) {
      const manifest = JSON.parse(readFileSync(manifestPath, "utf8")) as Record<string, unknown>;
      const exported = manifest.exports as Record<string, unknown> | string | undefined;
      const main = target(typeof exported === "object" && "." in exported ? exported["."] : exported);
      const entry = main ?? [manifest.module, manifest.main].find((path) => typeof path === "string") ?? "index.js";
      return { version: String(manifest.version), folder: found, entry: join(found, entry as string) };
    }
    if (folder === dirname(folder)) return undefined;
  }
}

/** The first path under the conditions of {@link CONDITIONS}, in the order of the manifest. */
function target(exported: unknown): string | undefined {
  if (typeof exported === "string") return exported;
  if (typeof exported !== "object" || exported === null) return undefined;
  for (const [condition, value] of Object.entries(exported)) {
    if (!CONDITIONS.has(condition)) continue;
    const found = target(value);
    if (found !== undefined) return found;
  }
  return undefined;
}
