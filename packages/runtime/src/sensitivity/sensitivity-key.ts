import { createSha256 } from "@stepdown/model-format";

/** What a measurement depends on. */
export interface SensitivityKeyParts {
  /** What is measured: "fisher". */
  readonly name: string;
  /** The model's identity, from `fingerprintModel`. */
  readonly model: string;
  /** Token ids of the calibration text, chunk by chunk, in their order. */
  readonly chunks: readonly (readonly number[])[];
  /** Names the rounding, where it is not the same everywhere: `GradientKernels.arithmetic`. */
  readonly arithmetic?: string;
}

/** Raise it when the same text and model give other numbers than before. */
const ALGORITHM_VERSION = 1;

/** Hexadecimal SHA-256 of everything that the result of a measurement depends on. */
export function sensitivityKey({ name, model, chunks, arithmetic = "" }: SensitivityKeyParts): string {
  const hash = createSha256();
  hash.update(new TextEncoder().encode(JSON.stringify([ALGORITHM_VERSION, name, model, arithmetic, chunks])));
  return hash.digest();
}
