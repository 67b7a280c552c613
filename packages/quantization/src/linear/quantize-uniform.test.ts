import { InvalidArgumentError, InvalidFileError, type UniformWeight } from "@stepdown/core";
import { unpackLabels } from "@stepdown/model-format";
import fc from "fast-check";
import { expect, test } from "vitest";
import { quantizeUniform } from "./quantize-uniform.js";

/** Relative to the scale: one rounding of a quotient in double precision. */
const ROUNDING = 1e-12;

function valueAt(weight: UniformWeight, precision: number, row: number, column: number): number {
  const labels = unpackLabels(weight.planes, weight.rows, weight.columns, precision);
  const steps = 2 ** precision;
  return (weight.scales[row]! * (2 * labels[row * weight.columns + column]! + 1 - steps)) / steps;
}

const matrices = fc
  .record({ rows: fc.integer({ min: 1, max: 4 }), columns: fc.integer({ min: 1, max: 40 }) })
  .chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      values: fc.array(fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, -0, 1)), {
        minLength: shape.rows * shape.columns,
        maxLength: shape.rows * shape.columns,
      }),
    }),
  );

test("every weight is within half a step at every precision, with its row's largest magnitude as scale", async () => {
  await fc.assert(
    fc.asyncProperty(matrices, fc.integer({ min: 1, max: 8 }), async ({ shape, values }, bits) => {
      const weight = Float32Array.from(values);
      const result = await quantizeUniform(weight, shape, bits);
      expect(result).toMatchObject({ codec: "uniform", ...shape, seedBits: 1, bits });
      for (let row = 0; row < shape.rows; row++) {
        const cells = weight.subarray(row * shape.columns, (row + 1) * shape.columns);
        expect(result.scales[row]).toBe(Math.max(...cells.map(Math.abs)));
        for (let precision = 1; precision <= bits; precision++) {
          const limit = result.scales[row]! * (2 ** -precision + ROUNDING);
          for (let k = 0; k < shape.columns; k++) {
            expect(Math.abs(valueAt(result, precision, row, k) - cells[k]!)).toBeLessThanOrEqual(limit);
          }
        }
      }
    }),
    { numRuns: 40 },
  );
});

test("fewer bits are the first planes of more bits", async () => {
  const shape = { rows: 3, columns: 21 };
  const weight = Float32Array.from({ length: 63 }, (_, i) => Math.sin(i));
  const full = await quantizeUniform(weight, shape, 8);
  for (let bits = 1; bits < 8; bits++) {
    const fewer = await quantizeUniform(weight, shape, bits);
    expect(fewer.planes).toEqual(full.planes.slice(0, bits));
    expect(fewer.scales).toEqual(full.scales);
  }
});

test("damaged weights and impossible arguments are refused", async () => {
  const shape = { rows: 1, columns: 2 };
  await expect(quantizeUniform(Float32Array.of(1, Number.NaN), shape, 8)).rejects.toThrow(InvalidFileError);
  await expect(quantizeUniform(Float32Array.of(1), shape, 8)).rejects.toThrow(InvalidArgumentError);
  await expect(quantizeUniform(new Float32Array(2), shape, 9)).rejects.toThrow(InvalidArgumentError);
});

test("an abort rejects with its reason", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(quantizeUniform(new Float32Array(2), { rows: 1, columns: 2 }, 8, { signal })).rejects.toThrow("enough");
});
