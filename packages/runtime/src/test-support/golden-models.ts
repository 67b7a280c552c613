import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Checkpoint, StepdownError } from "@stepdown/core";
import { openCheckpoint, openFileSource, openSafetensors } from "@stepdown/model-format";
import { readDecoderConfiguration } from "../configuration/read-decoder-configuration.js";

/** One way to open one reference model. */
export interface GoldenVariant {
  readonly label: string;
  open(): Promise<Checkpoint>;
}

/** A folder with a model and what it should compute. */
export interface GoldenModel {
  readonly name: string;
  readonly folder: string;
  /** Why this runtime cannot run it, or `undefined`. */
  readonly unsupported: string | undefined;
  readonly variants: readonly GoldenVariant[];
}

/** All model folders inside a folder: those with a `config.json` and an `expected.safetensors`. */
export function listGoldenModels(root: string | undefined): GoldenModel[] {
  if (root === undefined) return [];
  const names = readdirSync(root).filter((name) => {
    return existsSync(join(root, name, "config.json")) && existsSync(join(root, name, "expected.safetensors"));
  });
  return names.map((name) => {
    const folder = join(root, name);
    return { name, folder, unsupported: whyUnsupported(folder), variants: listVariants(folder) };
  });
}

/** All tensors of a safetensors file as float32. */
export async function readTensors(path: string): Promise<ReadonlyMap<string, Float32Array>> {
  const source = await openFileSource(path);
  if (source === undefined) throw new Error(`There is no file ${path}.`);
  const file = await openSafetensors(source);
  const tensors = new Map<string, Float32Array>();
  for (const name of file.tensors.keys()) tensors.set(name, await file.readFloat32(name));
  return tensors;
}

/** Largest absolute difference; infinite where lengths differ or a value is no number. */
export function largestDifference(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  found.forEach((value, i) => {
    const difference = Math.abs(value - expected[i]!);
    largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference);
  });
  return largest;
}

function listVariants(folder: string): GoldenVariant[] {
  const variants: GoldenVariant[] = [{ label: "safetensors, config.json", open: () => openSafetensorsIn(folder) }];
  for (const name of readdirSync(folder)) {
    if (/^config\..+\.json$/.test(name)) {
      const config = readJson(join(folder, name));
      const open = async (): Promise<Checkpoint> => ({ ...(await openSafetensorsIn(folder)), config });
      variants.push({ label: `safetensors, ${name}`, open });
    }
    if (name.endsWith(".gguf")) variants.push({ label: name, open: () => openCheckpoint(join(folder, name)) });
  }
  return variants;
}

function openSafetensorsIn(folder: string): Promise<Checkpoint> {
  return openCheckpoint(folder);
}

function whyUnsupported(folder: string): string | undefined {
  try {
    readDecoderConfiguration(readJson(join(folder, "config.json")));
    return undefined;
  } catch (error) {
    if (StepdownError.isInstance(error) && error.code === "unsupported") return error.message;
    throw error;
  }
}

function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
}
