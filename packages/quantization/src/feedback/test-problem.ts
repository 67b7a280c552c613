/** Layers that tests of error feedback quantize, and what is lost. */
import type { NestedWeight } from "@stepdown/core";
import { dequantizeNested } from "@stepdown/model-format";
import { factorMoments } from "./factor-moments.js";

/** A layer with moments of its inputs. */
export interface Problem {
  readonly rows: number;
  readonly columns: number;
  readonly groupSize: number;
  readonly weight: Float32Array;
  readonly moments: Float32Array;
}

/** Correlated inputs: a few directions with most of the energy, as activations have. */
export function createProblem(seed: number, rows: number, columns: number, groupSize: number): Problem {
  let state = seed;
  const draw = (): number => {
    let sum = -6;
    for (let i = 0; i < 12; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      sum += state / 2 ** 32;
    }
    return sum;
  };
  const moments = new Float32Array(columns * columns);
  const input = new Float64Array(columns);
  const directions = Array.from({ length: 4 }, () => Float64Array.from({ length: columns }, draw));
  for (let sample = 0; sample < 3 * columns; sample++) {
    const shares = directions.map(() => 2 * draw());
    for (let k = 0; k < columns; k++) {
      input[k] = draw() + directions.reduce((sum, direction, i) => sum + shares[i]! * direction[k]!, 0);
    }
    for (let i = 0; i < columns; i++)
      for (let j = 0; j < columns; j++) moments[i * columns + j]! += input[i]! * input[j]!;
  }
  return { rows, columns, groupSize, weight: Float32Array.from({ length: rows * columns }, draw), moments };
}

/** tr(ΔHΔᵀ) by precision, H damped as the algorithm does it. */
export function losses({ rows, columns, weight, moments }: Problem, coded: NestedWeight): number[] {
  const { matrix } = factorMoments({ moments: moments.slice(), columns });
  return Array.from({ length: coded.bits - coded.seedBits + 1 }, (_, i) => {
    const values = dequantizeNested(coded, coded.seedBits + i);
    let loss = 0;
    for (let r = 0; r < rows; r++) {
      for (let j = 0; j < columns; j++) {
        for (let k = 0; k < columns; k++) {
          const [a, b] = [r * columns + j, r * columns + k];
          loss += (weight[a]! - values[a]!) * matrix[j * columns + k]! * (weight[b]! - values[b]!);
        }
      }
    }
    return loss;
  });
}
