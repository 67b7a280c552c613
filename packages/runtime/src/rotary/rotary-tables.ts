import type { FloatBuffer, KernelSet } from "@stepdown/core";
import type { RotaryConfiguration } from "../configuration/decoder-configuration.js";
import { rotaryFrequencies } from "./rotary-frequencies.js";

/** Positions of the first tables; they double from there on. */
const FIRST_POSITIONS = 512;

/**
 * Cosines and sines of all positions used so far, shared by all sequences of a model. They grow with the positions that
 * are really reached: full tables for 131,072 positions would take 64 MiB that hardly any sequence uses.
 *
 * Layout: `[positions][dimension / 2]`, row = absolute position; angles in float64, stored as float32.
 */
export interface RotaryTables {
  /** Leading elements of each head that turn. */
  readonly dimension: number;
  /** Read it anew for every call: growing replaces the buffers. */
  readonly cosines: FloatBuffer;
  readonly sines: FloatBuffer;
  /** Makes sure that there are at least this many positions. */
  grow(positions: number): void;
  /** Gives the memory back. */
  free(): void;
}

/** Tables for one model; `contextLength` bounds the doubling. */
export function createRotaryTables(
  kernels: KernelSet,
  rotary: RotaryConfiguration,
  contextLength: number,
): RotaryTables {
  const frequencies = rotaryFrequencies(rotary);
  const half = frequencies.length;
  let positions = Math.min(FIRST_POSITIONS, contextLength);
  let [cosines, sines] = fill(positions);

  function fill(count: number): [FloatBuffer, FloatBuffer] {
    const cosineValues = new Float32Array(count * half);
    const sineValues = new Float32Array(count * half);
    for (let position = 0; position < count; position++) {
      for (let i = 0; i < half; i++) {
        const angle = position * (frequencies[i] as number);
        cosineValues[position * half + i] = Math.cos(angle);
        sineValues[position * half + i] = Math.sin(angle);
      }
    }
    const cosineBuffer = kernels.allocate(cosineValues.length);
    let sineBuffer: FloatBuffer;
    try {
      sineBuffer = kernels.allocate(sineValues.length);
    } catch (error) {
      kernels.free(cosineBuffer);
      throw error;
    }
    kernels.write(cosineBuffer, cosineValues);
    kernels.write(sineBuffer, sineValues);
    return [cosineBuffer, sineBuffer];
  }

  const free = (): void => {
    kernels.free(cosines);
    kernels.free(sines);
  };

  return {
    dimension: rotary.dimension,
    get cosines() {
      return cosines;
    },
    get sines() {
      return sines;
    },
    grow(wanted) {
      if (wanted <= positions) return;
      const count = Math.max(wanted, Math.min(2 * positions, contextLength));
      const grown = fill(count);
      free();
      [cosines, sines] = grown;
      positions = count;
    },
    free,
  };
}
