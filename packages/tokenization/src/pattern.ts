import { InvalidFileError } from "@stepdown/core";
import { SplitPreTokenizer } from "./library.js";
import { asObject, guarded } from "./untrusted.js";

/** Compiles a `pattern` of tokenizer.json, `{ Regex }` or `{ String }`, to a global JavaScript expression. */
export function parsePattern(value: unknown, place: string): RegExp {
  const pattern = asObject(value, place);
  if (typeof pattern.Regex !== "string" && typeof pattern.String !== "string") {
    throw new InvalidFileError(`${place} must have a member Regex or String that is a string.`);
  }
  const config = { type: "Split", pattern, behavior: "Isolated", invert: false };
  const compiled = guarded(place, () => new SplitPreTokenizer(config).pattern);
  if (compiled === null) throw new InvalidFileError(`${place} cannot be compiled.`);
  return compiled;
}
