/**
 * Collects garbage now, so that one repetition does not pay for the arrays and WebAssembly memories of the one before.
 * Node offers this only behind a flag, which can be set while running.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/** Runs a full collection. */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
}
