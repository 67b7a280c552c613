import { InvalidArgumentError } from "@stepdown/core";

/**
 * The checks every entrance of this package uses. They name the key, the value found and what is allowed, because the
 * values come from configuration files, command lines and sliders. They know nothing of hardware or models.
 */

/** Most tokens of a prompt or an answer: far beyond any context window, small enough that a typing error cannot hang. */
export const MAXIMUM_TOKENS: number = 2 ** 22;

/** Largest size of one dimension of a model (vocabularies reach 2^18), so that products stay exact in a double. */
export const MAXIMUM_DIMENSION: number = 2 ** 22;

/** Most decoder blocks; published models have up to about 130. */
export const MAXIMUM_BLOCKS = 4096;

/** Most sequences decoded together. */
export const MAXIMUM_BATCH: number = 2 ** 16;

/** A value as it appears in a message. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  return String(value);
}

/** Throws the package's standard complaint. */
export function refuse(key: string, value: unknown, allowed: string): never {
  throw new InvalidArgumentError(`${key} is ${describeValue(value)}; allowed: ${allowed}.`);
}

/** A rate or size above 0. `Infinity` stands for "no limit" and is what limit studies use. */
export function checkPositive(key: string, value: unknown): number {
  if (typeof value !== "number" || !(value > 0)) refuse(key, value, "a number above 0 (Infinity for no limit)");
  return value;
}

/** A finite number above 0. */
export function checkFinitePositive(key: string, value: unknown): number {
  if (typeof value !== "number" || !(value > 0) || value === Infinity) refuse(key, value, "a finite number above 0");
  return value;
}

/** A finite number, 0 or more. */
export function checkNotNegative(key: string, value: unknown): number {
  if (typeof value !== "number" || !(value >= 0) || value === Infinity)
    refuse(key, value, "a finite number, 0 or more");
  return value;
}

/** A fraction above 0, at most 1. */
export function checkFraction(key: string, value: unknown): number {
  if (typeof value !== "number" || !(value > 0 && value <= 1)) refuse(key, value, "a number above 0, at most 1");
  return value;
}

/** An integer between two bounds, both included. */
export function checkInteger(key: string, value: unknown, minimum: number, maximum: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < minimum || value > maximum)
    refuse(key, value, `an integer from ${minimum} to ${maximum}`);
  return value;
}

/** One of a few words. */
export function checkWord<Word extends string>(key: string, value: unknown, words: readonly Word[]): Word {
  if (typeof value !== "string" || !(words as readonly string[]).includes(value))
    refuse(key, value, words.map((word) => JSON.stringify(word)).join(", "));
  return value as Word;
}

/** A plain object, as from JSON. */
export function checkRecord(key: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(key, value, "an object");
  return value as Readonly<Record<string, unknown>>;
}

/** Refuses keys nobody reads: a misspelt setting would otherwise silently keep its default. */
export function checkKeys(key: string, record: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  for (const name of Object.keys(record))
    if (!known.includes(name)) refuse(`${key}.${name}`, record[name], `no such key; known keys: ${known.join(", ")}`);
}
