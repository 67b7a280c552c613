import { UnsupportedError } from "@stepdown/core";

interface Builtins {
  "node:crypto": typeof import("node:crypto");
  "node:fs/promises": typeof import("node:fs/promises");
  "node:path": typeof import("node:path");
  "node:url": typeof import("node:url");
}

/**
 * A module of Node, or `undefined` in browsers. Asked for by value, not imported, so that bundlers for browsers have nothing
 * to resolve.
 */
export function findNodeBuiltin<Name extends keyof Builtins>(name: Name): Builtins[Name] | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (id: string) => unknown } };
  return process?.getBuiltinModule?.(name) as Builtins[Name] | undefined;
}

/** A module of Node. Throws `UnsupportedError` where there is none. */
export function nodeBuiltin<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  const found = findNodeBuiltin(name);
  if (found !== undefined) return found;
  throw new UnsupportedError("local paths need Node 20.19 or newer; give a URL, a Blob or a ModelDirectory here");
}
