import { isPrecision } from "@stepdown/core";
import {
  checkFinitePositive,
  checkFraction,
  checkInteger,
  checkKeys,
  checkNotNegative,
  checkPositive,
  checkRecord,
  checkWord,
  refuse,
} from "./checks.js";
import type { ComputeUnit, HardwareDescription, HeadBits } from "./hardware-description.js";

/** What {@link createHardware} takes: three things that have no sensible default, and any others. */
export type HardwareSettings = Pick<HardwareDescription, "name" | "compute" | "bandwidthBytesPerSecond"> &
  Partial<HardwareDescription>;

/**
 * Defaults of everything a data sheet may leave out. Sources and guesses: docs/npu-model.md, "Constants".
 * The energy figures are orders of magnitude (4 pJ/bit for LPDDR-class memory; 1.5 pJ for a half-precision MAC at 45 nm).
 */
const DEFAULTS: Omit<HardwareDescription, "name" | "compute" | "bandwidthBytesPerSecond"> = {
  frequencyHertz: 1e9,
  computeEfficiency: 1,
  weightBandwidthEfficiency: 1,
  cacheBandwidthEfficiency: 1,
  memoryLatencySeconds: 0,
  weightBufferBytes: 512 * 1024,
  activationBufferBytes: 512 * 1024,
  specialFunctionLanes: 64,
  headBits: 16,
  keyValueBits: 16,
  activationBits: 16,
  weightDensity: 1,
  promptRoundingTokens: 1,
  contextRoundingTokens: 1,
  stepOverheadSeconds: 0,
  picojoulesPerByte: 32,
  picojoulesPerMac: 1.5,
  idleWatts: 0,
};

const KEYS: readonly string[] = ["name", "compute", "bandwidthBytesPerSecond", ...Object.keys(DEFAULTS)];

/** Largest rounding of lengths, tokens. */
const MAXIMUM_ROUNDING = 65_536;

/**
 * A checked hardware description. It takes typed settings or an object parsed from a user's JSON file; unknown keys are
 * refused, absent ones get their defaults. Throws `InvalidArgumentError`.
 */
export function createHardware(settings: HardwareSettings | Readonly<Record<string, unknown>>): HardwareDescription {
  const given = checkRecord("hardware", settings);
  checkKeys("hardware", given, KEYS);
  if (typeof given.name !== "string" || given.name === "") refuse("hardware.name", given.name, "a text");
  const all = { ...DEFAULTS, ...withoutAbsent(given) } as HardwareDescription;
  const key = (name: keyof HardwareDescription): string => `hardware.${name}`;
  checkFinitePositive(key("frequencyHertz"), all.frequencyHertz);
  for (const name of [
    "bandwidthBytesPerSecond",
    "weightBufferBytes",
    "activationBufferBytes",
    "specialFunctionLanes",
  ] as const)
    checkPositive(key(name), all[name]);
  for (const name of [
    "computeEfficiency",
    "weightBandwidthEfficiency",
    "cacheBandwidthEfficiency",
    "weightDensity",
  ] as const)
    checkFraction(key(name), all[name]);
  for (const name of [
    "memoryLatencySeconds",
    "stepOverheadSeconds",
    "picojoulesPerByte",
    "picojoulesPerMac",
    "idleWatts",
  ] as const)
    checkNotNegative(key(name), all[name]);
  for (const name of ["keyValueBits", "activationBits"] as const) checkInteger(key(name), all[name], 1, 32);
  for (const name of ["promptRoundingTokens", "contextRoundingTokens"] as const)
    checkInteger(key(name), all[name], 1, MAXIMUM_ROUNDING);
  checkHeadBits(key("headBits"), all.headBits);
  checkCompute(key("compute"), all.compute);
  return all;
}

/** Bits of a head, checked. */
export function checkHeadBits(key: string, value: unknown): HeadBits {
  if (value !== 0 && value !== "body" && !isPrecision(value))
    refuse(key, value, 'an integer from 1 to 8, 16, 32, 0 (no head) or "body" (as the decoder blocks)');
  return value as HeadBits;
}

function checkCompute(key: string, value: unknown): ComputeUnit {
  const unit = checkRecord(key, value);
  const kind = checkWord(`${key}.kind`, unit.kind, ["macs", "array", "bit-serial"]);
  if (kind === "macs") {
    checkKeys(key, unit, ["kind", "macsPerCycle"]);
    checkPositive(`${key}.macsPerCycle`, unit.macsPerCycle);
  } else if (kind === "bit-serial") {
    checkKeys(key, unit, ["kind", "planeWeightsPerSecond", "denseMacsPerSecond"]);
    checkPositive(`${key}.planeWeightsPerSecond`, unit.planeWeightsPerSecond);
    checkPositive(`${key}.denseMacsPerSecond`, unit.denseMacsPerSecond);
  } else {
    checkKeys(key, unit, ["kind", "cores", "matrix", "vector"]);
    if (unit.cores !== undefined) checkInteger(`${key}.cores`, unit.cores, 1, 2 ** 16);
    for (const [mode, names] of [
      ["matrix", ["tokens", "inputs", "outputs"]],
      ["vector", ["inputs", "outputs"]],
    ] as const) {
      const sizes = checkRecord(`${key}.${mode}`, unit[mode]);
      checkKeys(`${key}.${mode}`, sizes, names);
      for (const name of names) checkInteger(`${key}.${mode}.${name}`, sizes[name], 1, 2 ** 20);
    }
  }
  return value as ComputeUnit;
}

function withoutAbsent(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}
