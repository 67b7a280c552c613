import {
  areCodebookGroups,
  InvalidFileError,
  MAXIMUM_NESTED_PRECISION,
  MAXIMUM_OUTLIER_COLUMNS,
  UnsupportedError,
} from "@stepdown/core";
import { integerWithin, isRecord, member, parseJson } from "../json.js";
import { MAXIMUM_DIMENSION, MAXIMUM_NAME_LENGTH, MAXIMUM_NESTED_LAYERS } from "../limits.js";
import type { LayerFacts } from "./layer-facts.js";

/** Key in the first shard's metadata under which the list of nested layers stands, as one JSON text. */
export const LAYER_LIST_KEY = "stepdown.layers";

/** Codecs that nested layers can have. */
export const nestedCodecs: readonly LayerFacts["codec"][] = ["codebook", "uniform", "bcq"];

/** The list as JSON text; the same layers give the same bytes. */
export function serializeLayerList(layers: readonly LayerFacts[]): string {
  return JSON.stringify(
    layers.map((layer) => ({
      name: layer.name,
      codec: layer.codec,
      rows: layer.rows,
      columns: layer.columns,
      seed_bits: layer.seedBits,
      bits: layer.bits,
      follows_precision: layer.followsPrecision,
      ...(layer.codec === "bcq" ? { group_size: layer.groupSize, offsets: layer.offsets === true } : {}),
      ...((layer.groupCount ?? 1) > 1 ? { group_count: layer.groupCount } : {}),
      ...(layer.outliers ? { outliers: layer.outliers } : {}),
    })),
  );
}

/** Parses and checks the list. `name` is for messages. */
export function parseLayerList(text: string | undefined, name: string): LayerFacts[] {
  const label = `${name}: ${LAYER_LIST_KEY}`;
  if (text === undefined) throw new InvalidFileError(`${label} is missing; this is no first shard of a nested model`);
  const list = parseJson(text, label);
  if (!Array.isArray(list) || list.length > MAXIMUM_NESTED_LAYERS) {
    throw new InvalidFileError(`${label} must be a list of at most ${MAXIMUM_NESTED_LAYERS} layers`);
  }
  const names = new Set<string>();
  return list.map((entry: unknown) => {
    const layer = parseLayer(entry, label);
    if (names.has(layer.name)) throw new InvalidFileError(`${label} lists "${layer.name}" twice`);
    names.add(layer.name);
    return layer;
  });
}

function parseLayer(entry: unknown, label: string): LayerFacts {
  if (!isRecord(entry)) throw new InvalidFileError(`${label} has an entry that is no object`);
  const name = member(entry, "name");
  if (typeof name !== "string" || name.length === 0 || name.length > MAXIMUM_NAME_LENGTH) {
    throw new InvalidFileError(`${label} has a layer without a proper name`);
  }
  const named = member(entry, "codec");
  const codec = nestedCodecs.find((candidate) => candidate === named);
  if (codec === undefined) {
    throw new UnsupportedError(
      `${label}: "${name}" has codec ${JSON.stringify(named ?? null).slice(0, 40)}, only ${nestedCodecs.join(", ")} are known; a newer version may read it`,
    );
  }
  const integer = (key: string, minimum: number, maximum: number): number => {
    const value = integerWithin(member(entry, key), minimum, maximum);
    if (value !== undefined) return value;
    const found = JSON.stringify(member(entry, key) ?? null).slice(0, 40);
    throw new InvalidFileError(
      `${label}: "${name}" has ${key} ${found}, expected an integer from ${minimum} to ${maximum}`,
    );
  };
  const flag = (key: string, fallback?: boolean): boolean => {
    const value = member(entry, key) ?? fallback;
    if (typeof value === "boolean") return value;
    throw new InvalidFileError(`${label}: "${name}" needs ${key} to be true or false`);
  };
  const bits = integer("bits", 1, MAXIMUM_NESTED_PRECISION);
  const columns = integer("columns", 1, MAXIMUM_DIMENSION);
  const facts = {
    name,
    codec,
    rows: integer("rows", 1, MAXIMUM_DIMENSION),
    columns,
    seedBits: integer("seed_bits", 1, bits),
    bits,
    followsPrecision: flag("follows_precision"),
  };
  if (facts.rows * columns > Number.MAX_SAFE_INTEGER / 64) {
    throw new InvalidFileError(`${label}: "${name}" is impossibly large, ${facts.rows} × ${columns}`);
  }
  const has = (key: string): boolean => member(entry, key) !== undefined;
  const mostOutliers = codec === "codebook" && columns <= MAXIMUM_OUTLIER_COLUMNS ? facts.rows * columns : 0;
  const outliers = has("outliers") ? { outliers: integer("outliers", 1, mostOutliers) } : {};
  const groupCount = has("group_count") ? integer("group_count", 1, codec === "codebook" ? columns : 1) : 1;
  if (!areCodebookGroups(columns, groupCount)) {
    throw new InvalidFileError(
      `${label}: "${name}" has ${groupCount} groups, which do not divide its ${columns} columns by whole bytes`,
    );
  }
  if (codec !== "bcq") return { ...facts, ...outliers, ...(groupCount > 1 ? { groupCount } : {}) };
  const groupSize = integer("group_size", 1, columns);
  if (columns % groupSize !== 0) {
    throw new InvalidFileError(
      `${label}: "${name}" has groups of ${groupSize}, which do not divide its ${columns} columns`,
    );
  }
  return { ...facts, groupSize, offsets: flag("offsets", false) };
}
