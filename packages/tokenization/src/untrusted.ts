import { InvalidFileError, UnsupportedError } from "@stepdown/core";

/** A JSON object whose members are still unknown. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value is an object with members (no array, not null). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as an object, or `InvalidFileError` naming the place. */
export function asObject(value: unknown, place: string): JsonObject {
  if (!isObject(value)) throw wrongType(value, place, "an object");
  return value;
}

/** The value as a list, or `InvalidFileError`; typed arrays (how GGUF readers give numbers) count as lists. */
export function asList(value: unknown, place: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return Array.from(value as unknown as Iterable<unknown>);
  throw wrongType(value, place, "a list");
}

/** The value as a string, or `InvalidFileError`. */
export function asString(value: unknown, place: string): string {
  if (typeof value !== "string") throw wrongType(value, place, "a string");
  return value;
}

/** The value as a whole number in [0, limit), or `InvalidFileError`; 64-bit integers of GGUF readers (bigint) count too. */
export function asIndex(value: unknown, place: string, limit: number): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isInteger(number) || number < 0 || number >= limit) {
    throw wrongType(value, place, `a whole number from 0 to ${limit - 1}`);
  }
  return number;
}

/** Undefined for absent and null members, which tokenizer files use alike. */
export function present(value: unknown): unknown {
  return value === null ? undefined : value;
}

/** Runs code of the tokenizer library on values of the file and turns whatever it throws into an error of this project. */
export function guarded<Result>(place: string, action: () => Result): Result {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof InvalidFileError || cause instanceof UnsupportedError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    if (/^(Unknown|Unsupported)\b/.test(message)) {
      throw new UnsupportedError(
        `${place} needs something that is not implemented: ${message}. Convert the tokenizer.`,
        {
          cause,
        },
      );
    }
    throw new InvalidFileError(`${place} cannot be used: ${message}. Check that the file is complete and unchanged.`, {
      cause,
    });
  }
}

function wrongType(value: unknown, place: string, wanted: string): InvalidFileError {
  const found =
    value === null
      ? "null"
      : Array.isArray(value)
        ? "a list"
        : typeof value === "object"
          ? "an object"
          : describe(value);
  return new InvalidFileError(
    `${place} must be ${wanted}, found ${found}. Check that the file is complete and unchanged.`,
  );
}

function describe(value: unknown): string {
  return `${typeof value} ${excerpt(value)}`;
}

/** The beginning of a value from a file, for messages. An object's own `toString` is never called: it may be no function. */
export function excerpt(value: unknown): string {
  const text = typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
  return text.slice(0, 40);
}
