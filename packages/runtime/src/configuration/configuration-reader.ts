import { InvalidFileError } from "@stepdown/core";

/**
 * Typed access to an untrusted configuration object. Every error names the place, the key, the value found and what is
 * allowed. `null` counts as absent, as it does in Hugging Face configurations.
 */
export interface ConfigurationReader {
  /** A whole number within bounds; `fallback` where the key is absent, an error where that is absent, too. */
  integer(key: string, bounds: Bounds, fallback?: number): number;
  /** A finite number within bounds. */
  number(key: string, bounds: Bounds, fallback?: number): number;
  /** `true` or `false`. */
  boolean(key: string, fallback: boolean): boolean;
  /** A string. */
  string(key: string, fallback?: string): string;
  /** A nested object, or `undefined` where the key is absent. */
  object(key: string): ConfigurationReader | undefined;
  /** A list of finite numbers, or `undefined` where the key is absent. */
  numbers(key: string): readonly number[] | undefined;
  /** The raw value, `undefined` for `null`. */
  raw(key: string): unknown;
  /** Whether the key is there, even as `null`. */
  has(key: string): boolean;
  /** The error for a value that is not allowed. */
  refuse(key: string, allowed: string): InvalidFileError;
}

/** Smallest and largest value allowed, both inclusive. */
export interface Bounds {
  readonly minimum: number;
  readonly maximum: number;
}

/** A reader over `values`; `where` opens every message, for example the path of the file. */
export function createConfigurationReader(
  values: Readonly<Record<string, unknown>>,
  where: string,
): ConfigurationReader {
  const raw = (key: string): unknown => (Object.hasOwn(values, key) ? (values[key] ?? undefined) : undefined);
  const refuse = (key: string, allowed: string): InvalidFileError => {
    const found = raw(key) === undefined ? "is missing" : `is ${shorten(JSON.stringify(raw(key)))}`;
    return new InvalidFileError(`${where}: ${key} ${found}; needed: ${allowed}.`);
  };
  const number = (key: string, bounds: Bounds, fallback: number | undefined, whole: boolean): number => {
    const value = raw(key) ?? fallback;
    const works =
      typeof value === "number" &&
      (whole ? Number.isSafeInteger(value) : Number.isFinite(value)) &&
      value >= bounds.minimum &&
      value <= bounds.maximum;
    if (works) return value;
    throw refuse(key, `${whole ? "a whole number" : "a number"} from ${bounds.minimum} to ${bounds.maximum}`);
  };

  return {
    integer: (key, bounds, fallback) => number(key, bounds, fallback, true),
    number: (key, bounds, fallback) => number(key, bounds, fallback, false),
    boolean(key, fallback) {
      const value = raw(key) ?? fallback;
      if (typeof value === "boolean") return value;
      throw refuse(key, "true or false");
    },
    string(key, fallback) {
      const value = raw(key) ?? fallback;
      if (typeof value === "string") return value;
      throw refuse(key, "a string");
    },
    object(key) {
      const value = raw(key);
      if (value === undefined) return undefined;
      if (typeof value !== "object" || Array.isArray(value)) throw refuse(key, "an object");
      return createConfigurationReader(value as Record<string, unknown>, `${where}: ${key}`);
    },
    numbers(key) {
      const value = raw(key);
      if (value === undefined) return undefined;
      if (!Array.isArray(value) || !value.every((item) => Number.isFinite(item))) {
        throw refuse(key, "a list of finite numbers");
      }
      return value as number[];
    },
    raw,
    has: (key) => Object.hasOwn(values, key),
    refuse,
  };
}

/** Values may be huge; a message is for people. */
function shorten(text: string | undefined): string {
  const whole = text ?? "no JSON value";
  return whole.length <= 80 ? whole : `${whole.slice(0, 77)}…`;
}
