/**
 * Machines on the command line: presets by name, or JSON files. A file holds the keys of a hardware description, or a
 * document `{hardware, profile?, codec?}` as `npu fit --out` writes it. JSON knows no infinity, so `"Infinity"` stands
 * for "no limit".
 */
import { InvalidArgumentError, InvalidFileError, MissingFileError } from "@stepdown/core";
import {
  type CodecDescription,
  type CostProfile,
  costProfiles,
  createHardware,
  type HardwareDescription,
  hardwarePresets,
  MEASURED_PROFILE,
} from "@stepdown/npu-model";
import { findName, unknownName } from "./nearest-name.js";
import { isObject, kindOfPath, looksLikePath, readJsonObject } from "./read-json-file.js";

/** A machine, and what a fitted one has to be used with. */
export interface FoundHardware {
  readonly hardware: HardwareDescription;
  readonly profile?: CostProfile;
  readonly codec?: CodecDescription;
}

/** All profiles by name: the published kinds, and the one of fitted machines. */
export const profilesByName: ReadonlyMap<string, CostProfile> = new Map([
  ...costProfiles,
  [MEASURED_PROFILE.name, MEASURED_PROFILE],
]);

const UNLIMITED = "Infinity";

/** Finds a machine. Throws `InvalidArgumentError` for an unknown name, and what reading a file throws. */
export async function findHardware(name: string): Promise<FoundHardware> {
  const known = [...hardwarePresets.keys()];
  const found = findName(name, known);
  if (found !== undefined) return { hardware: hardwarePresets.get(found)! };
  if ((await kindOfPath(name)) !== "file") {
    if (looksLikePath(name)) throw new MissingFileError(`Cannot read --hardware ${name}: there is no such file.`);
    throw unknownName("hardware", name, known, ", or give a JSON file with a description");
  }
  const document = await readJsonObject(name);
  try {
    return readDocument(document);
  } catch (cause) {
    if (!(cause instanceof InvalidArgumentError)) throw cause;
    throw new InvalidFileError(`${name}: ${cause.message}`, { cause });
  }
}

/** Finds a profile by name. */
export function findProfile(name: string): CostProfile {
  const known = [...profilesByName.keys()];
  const found = findName(name, known);
  if (found === undefined) throw unknownName("profile", name, known);
  return profilesByName.get(found)!;
}

/** A machine with what it is to be used with, as text of a file that {@link findHardware} reads. */
export function formatHardwareDocument(found: FoundHardware, more: object = {}): string {
  const { hardware, profile, codec } = found;
  const document = {
    hardware,
    ...(profile === undefined ? {} : { profile: profile.name }),
    ...(codec === undefined ? {} : { codec }),
    ...more,
  };
  return `${JSON.stringify(document, (_, value) => (value === Number.POSITIVE_INFINITY ? UNLIMITED : value), 2)}\n`;
}

function readDocument(document: Readonly<Record<string, unknown>>): FoundHardware {
  if (!isObject(document.hardware)) return { hardware: createHardware(withInfinities(document)) };
  const { profile, codec } = document;
  if (profile !== undefined && typeof profile !== "string")
    throw new InvalidArgumentError(`profile is no name; allowed: ${[...profilesByName.keys()].join(", ")}.`);
  return {
    hardware: createHardware(withInfinities(document.hardware)),
    ...(profile === undefined ? {} : { profile: findProfile(profile) }),
    // Checked where it is used; every entrance of the cost model checks its codec.
    ...(codec === undefined ? {} : { codec: codec as CodecDescription }),
  };
}

/** The same object with numbers for "Infinity"; the name is a text whatever it says. */
function withInfinities(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => {
      if (value === UNLIMITED && key !== "name") return [key, Number.POSITIVE_INFINITY];
      return [key, isObject(value) ? withInfinities(value) : value];
    }),
  );
}
