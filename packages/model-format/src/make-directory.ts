import { nodeBuiltin } from "./node-builtin.js";

/**
 * Makes a directory and those above it that are missing; one that exists is fine. Node only.
 *
 * Node's own `recursive` never ends where the system says "no such directory" of a new directory in an existing one, as
 * /proc does.
 */
export async function makeDirectory(path: string): Promise<void> {
  const { dirname } = nodeBuiltin("node:path");
  if ((await makeOne(path)) !== "no-parent") return;
  await makeDirectory(dirname(path));
  if ((await makeOne(path)) === "no-parent") throw new Error(`${dirname(path)} takes no directories`);
}

async function makeOne(path: string): Promise<"made" | "there" | "no-parent"> {
  const { mkdir, stat } = nodeBuiltin("node:fs/promises");
  try {
    await mkdir(path);
    return "made";
  } catch (cause) {
    const { code } = cause as { code?: unknown };
    if (code === "ENOENT") return "no-parent";
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return "there";
    throw cause;
  }
}
