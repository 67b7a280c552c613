/** Version of this package, from its own package.json, or "unknown" where that cannot be read (inside a bundle). */
export async function readLibraryVersion(): Promise<string> {
  try {
    const { readFile } = await import("node:fs/promises");
    // This file and the built ones both lie one folder below package.json.
    const manifest: unknown = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
    const { name, version } = manifest as { name?: unknown; version?: unknown };
    return name === "@stepdown/quantization" && typeof version === "string" ? version : "unknown";
  } catch {
    return "unknown";
  }
}
