/**
 * Precision traces in JSON: what `generate --json` prints, a trace itself, or any document with a member `trace`. Values
 * that cannot be precisions of the model are refused where they are priced.
 */
import { InvalidFileError, type PrecisionDecision, type PrecisionTrace } from "@stepdown/core";
import { isObject, type JsonObject } from "./read-json-file.js";

/** The trace in a document read from `name`. */
export function readTrace(document: JsonObject, name: string): PrecisionTrace {
  if (isObject(document.error))
    throw new InvalidFileError(
      `${name} is the report of a failed run: ${String(document.error.message).slice(0, 300)}`,
    );
  if (isObject(document.trace)) return readTrace(document.trace, `${name}: trace`);
  const { promptTokens } = document;
  if (typeof promptTokens !== "number")
    throw new InvalidFileError(
      `${name} has no trace: expected the output of "generate --json" (tokens with bits, prefillBits, promptTokens), or promptTokens, prefill and decode.`,
    );
  if (Array.isArray(document.tokens)) {
    const bits = document.tokens.map((token, index) =>
      decision(isObject(token) ? token.bits : undefined, `tokens[${index}].bits`),
    );
    // The first token comes out of the prompt's pass, whose bits are prefillBits.
    return withPasses({ promptTokens, prefill: decision(document.prefillBits, "prefillBits"), decode: bits.slice(1) });
  }
  if (!Array.isArray(document.decode))
    throw new InvalidFileError(`${name} has promptTokens, but neither tokens nor a list decode.`);
  return withPasses({
    promptTokens,
    prefill: decision(document.prefill, "prefill"),
    decode: document.decode.map((value, index) => decision(value, `decode[${index}]`)),
  });

  function decision(value: unknown, key: string): PrecisionDecision {
    if (typeof value === "number") return value;
    if (Array.isArray(value) && value.length > 0 && value.every((bits) => typeof bits === "number")) return value;
    throw new InvalidFileError(`${name}: ${key} must be a number of bits, or a list with one for each block.`);
  }

  function withPasses(trace: PrecisionTrace): PrecisionTrace {
    if (trace.decode.length > 0) return trace;
    throw new InvalidFileError(
      `${name} has no decode passes: one token comes out of the prompt's pass alone. Generate at least two.`,
    );
  }
}
