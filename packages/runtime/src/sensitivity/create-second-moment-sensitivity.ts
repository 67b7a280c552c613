import { InvalidArgumentError, type SensitivitySource } from "@stepdown/core";
import type { SecondMoments } from "./collect-second-moments.js";

/** Options of {@link createSecondMomentSensitivity}. */
export interface SecondMomentSensitivityOptions {
  /** Identifies text, tokens and model. Default: SHA-256 of all names and values. */
  readonly key?: string;
}

/**
 * Second moments (from `collectSecondMoments`) as a quantizer's sensitivities: one value per column. Layers that were not
 * seen get equal weights.
 */
export async function createSecondMomentSensitivity(
  moments: SecondMoments,
  options: SecondMomentSensitivityOptions = {},
): Promise<SensitivitySource> {
  const key = options.key ?? (await hashOf(moments));
  return {
    name: "second-moments",
    key,
    async read(name, shape, wait) {
      wait?.signal?.throwIfAborted();
      const values = moments.get(name);
      if (values === undefined) return undefined;
      if (values.length !== shape.columns) {
        throw new InvalidArgumentError(
          `Second moments of ${name} have ${values.length} columns; the layer has ${shape.columns}. Were they collected on this model?`,
        );
      }
      return { kind: "columns", values };
    },
  };
}

/** Hexadecimal SHA-256 over the names, lengths and values of all layers, in the order of names. */
async function hashOf(moments: SecondMoments): Promise<string> {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  for (const name of [...moments.keys()].sort()) {
    const values = moments.get(name)!;
    parts.push(encoder.encode(`${JSON.stringify(name)}:${values.length};`));
    parts.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
