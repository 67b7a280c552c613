import { dequantizeNested } from "@stepdown/model-format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BinaryRowRange, type PackedBinaryRows, quantizeBinaryRows } from "./quantize-binary-rows.js";

/** Relative to Σ a (|w| + |decoded|)²: decoders round to float32. */
const FLOAT32_ROUNDING = 1e-7;

const value = fc.oneof(
  { weight: 8, arbitrary: fc.double({ min: -1, max: 1, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -0, 0.125, 30) },
);
const importance = fc.oneof(
  { weight: 6, arbitrary: fc.double({ min: 0, max: 4, noNaN: true }) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1e-20) },
);

/** Rows of all sizes, some with all weights equal, tiny or near the largest that are accepted. */
const ranges: fc.Arbitrary<BinaryRowRange> = fc
  .record({
    rows: fc.integer({ min: 1, max: 3 }),
    groups: fc.integer({ min: 1, max: 3 }),
    groupSize: fc.integer({ min: 1, max: 40 }),
    seedBits: fc.integer({ min: 2, max: 4 }),
    furtherBits: fc.integer({ min: 0, max: 4 }),
    offset: fc.boolean(),
    magnitude: fc.constantFrom(1, 1, 1, 2000, 1e-3, 1e-6, 1e-30),
    kind: fc.constantFrom("none", "columns", "weights"),
  })
  .chain(({ rows, groups, groupSize, seedBits, furtherBits, offset, magnitude, kind }) => {
    const columns = groups * groupSize;
    const sizes = { minLength: rows * columns, maxLength: rows * columns };
    const count = kind === "columns" ? columns : rows * columns;
    return fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      groupSize: fc.constant(groupSize),
      seedBits: fc.constant(seedBits),
      bits: fc.constant(seedBits + furtherBits),
      offset: fc.constant(offset),
      weight: fc
        .oneof(
          { weight: 6, arbitrary: fc.array(value, sizes) },
          value.map((w) => new Array(rows * columns).fill(w)),
        )
        .map((values) => Float32Array.from(values, (w) => w * magnitude)),
      ...(kind === "none"
        ? {}
        : {
            sensitivity: fc
              .array(importance, { minLength: count, maxLength: count })
              .map((values) => Float32Array.from(values)),
          }),
    });
  });

function decode(range: BinaryRowRange, packed: PackedBinaryRows, precision: number): Float32Array {
  const scales = new Map(packed.scales.map((part, i) => [range.seedBits + i, part]));
  return dequantizeNested({ codec: "bcq", ...range, planes: packed.planes, scales }, precision);
}

/** Weighted squared error of row r as decoders see it; groups without any sensitivity count every weight as the average. */
function rowError(range: BinaryRowRange, decoded: Float32Array, r: number): { error: number; scale: number } {
  const { columns, groupSize, weight, sensitivity } = range;
  const stride = sensitivity?.length === columns ? 0 : columns;
  let error = 0;
  let scale = 0;
  const sum = sensitivity?.slice(r * stride, r * stride + columns).reduce((total, a) => total + a, 0) ?? 0;
  const average = sum === 0 ? 1 : sum / columns;
  for (let from = 0; from < columns; from += groupSize) {
    const masses = Array.from({ length: groupSize }, (_, i) => sensitivity?.[r * stride + from + i] ?? 1);
    const weightless = masses.every((a) => a === 0);
    for (let i = 0; i < groupSize; i++) {
      const a = weightless ? average : masses[i]!;
      const w = weight[r * columns + from + i]!;
      const q = decoded[r * columns + from + i]!;
      error += a * (w - q) ** 2;
      scale += a * (Math.abs(w) + Math.abs(q)) ** 2;
    }
  }
  return { error, scale };
}

describe("properties", () => {
  test("a model with more bits has the planes and scales of one with fewer", () => {
    fc.assert(
      fc.property(ranges, fc.integer({ min: 0, max: 6 }), (range, fewer) => {
        const bits = Math.max(range.seedBits, range.bits - fewer);
        const long = quantizeBinaryRows(range);
        const short = quantizeBinaryRows({ ...range, bits });
        expect(long.planes.slice(0, bits)).toEqual(short.planes);
        expect(long.scales.slice(0, bits - range.seedBits + 1)).toEqual(short.scales);
      }),
    );
  });

  test("no row's error in stored form rises with the precision", () => {
    fc.assert(
      fc.property(ranges, (range) => {
        const packed = quantizeBinaryRows(range);
        const levels = packed.scales.map((_, i) => decode(range, packed, range.seedBits + i));
        for (let r = 0; r < range.rows; r++) {
          const errors = levels.map((decoded) => rowError(range, decoded, r));
          for (let i = 1; i < errors.length; i++) {
            const before = Math.sqrt(errors[i - 1]!.error) + FLOAT32_ROUNDING * Math.sqrt(errors[i]!.scale);
            expect(Math.sqrt(errors[i]!.error)).toBeLessThanOrEqual(before * (1 + 1e-9));
          }
        }
      }),
    );
  });

  test("rows do not influence each other", () => {
    fc.assert(
      fc.property(ranges, (range) => {
        const { rows, columns, weight, sensitivity } = range;
        const whole = quantizeBinaryRows(range);
        const last = quantizeBinaryRows({
          ...range,
          rows: 1,
          weight: weight.slice((rows - 1) * columns),
          ...(sensitivity === undefined || sensitivity.length === columns
            ? {}
            : { sensitivity: sensitivity.slice((rows - 1) * columns) }),
        });
        for (const [i, plane] of last.planes.entries()) expect(plane).toEqual(whole.planes[i]!.slice(-plane.length));
        for (const [i, part] of last.scales.entries()) {
          const { codes, steps, offsets } = whole.scales[i]!;
          expect(part.codes).toEqual(codes.slice(-part.codes.length));
          expect(part.steps).toEqual(steps.slice(-1));
          expect(part.offsets).toEqual(offsets?.slice(-part.offsets!.length));
        }
      }),
    );
  });

  test("the same rows give the same bytes, only ratios of sensitivities matter, and −0 is 0", () => {
    fc.assert(
      fc.property(ranges, (range) => {
        const first = quantizeBinaryRows(range);
        const weight = range.weight.map((w) => (w === 0 ? 0 : w));
        const { sensitivity } = range;
        const scaled = sensitivity === undefined ? {} : { sensitivity: sensitivity.map((a) => a * 2 ** 20) };
        expect(quantizeBinaryRows({ ...range, weight, ...scaled })).toEqual(first);
      }),
    );
  });
});

/** Numbers as random as a normal distribution's, the same every time. */
function normal(count: number): Float32Array {
  let state = 1;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => {
    return Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  });
}

describe("quality", () => {
  /**
   * Relative squared errors of normal weights. An optimal quantizer with free levels for the whole distribution has
   * 0.1175, 0.0345, 0.0095, 0.0025 at 2 to 5 bits (Max 1960); nesting and equal steps cost some of it, scales per group
   * win some back.
   */
  test.each([
    [false, [0.14, 0.04, 0.0105, 0.0036, 0.0015, 0.0007, 0.0003]],
    [true, [0.135, 0.038, 0.0095, 0.0034, 0.0014, 0.00065, 0.0003]],
  ])("normal weights in groups of 96 are coded as well as stated (offset: %s)", (offset, limits) => {
    const shape = { rows: 20, columns: 576 };
    const weight = normal(shape.rows * shape.columns);
    const range = { ...shape, weight, groupSize: 96, seedBits: 2, bits: 8, offset };
    const packed = quantizeBinaryRows(range);
    const power = weight.reduce((sum, w) => sum + w * w, 0);
    for (const [i, limit] of limits.entries()) {
      const decoded = decode(range, packed, 2 + i);
      const error = weight.reduce((sum, w, k) => sum + (w - decoded[k]!) ** 2, 0);
      expect(error / power).toBeLessThan(limit);
    }
  });

  test("sensitive columns are coded better, in proportion to both kinds of sensitivity", () => {
    const shape = { rows: 8, columns: 192 };
    const weight = normal(shape.rows * shape.columns);
    const columns = Float32Array.from({ length: shape.columns }, (_, k) => (k % 4 === 0 ? 100 : 1));
    const repeated = Float32Array.from(weight, (_, i) => columns[i % shape.columns]!);
    const range = { ...shape, weight, groupSize: 96, seedBits: 2, bits: 4, offset: false };
    const error = (sensitivity?: Float32Array): number => {
      const decoded = decode(range, quantizeBinaryRows({ ...range, ...(sensitivity ? { sensitivity } : {}) }), 3);
      return weight.reduce((sum, w, i) => sum + columns[i % shape.columns]! * (w - decoded[i]!) ** 2, 0);
    };
    expect(error(columns)).toBeLessThan(0.95 * error());
    expect(error(repeated)).toBe(error(columns));
  });

  test("values that a group's code can express are met but for the rounding of scales", () => {
    const levels = [-3, -1, 1, 3];
    const weight = Float32Array.from({ length: 64 }, (_, k) => levels[(7 * k) % 4]! * 0.25);
    const range = { rows: 1, columns: 64, weight, groupSize: 32, seedBits: 2, bits: 3, offset: false };
    for (const precision of [2, 3]) {
      const decoded = decode(range, quantizeBinaryRows(range), precision);
      for (const [k, w] of weight.entries()) expect(decoded[k]).toBeCloseTo(w, 2);
    }
  });
});

describe("extremes", () => {
  const shape = { rows: 1, columns: 96, groupSize: 48, seedBits: 2, bits: 8 };

  test("zeros stay zero at every precision, beside a group that is not zero", () => {
    for (const offset of [false, true]) {
      const weight = Float32Array.from({ length: 96 }, (_, k) => (k < 48 ? 0 : Math.sin(k)));
      const packed = quantizeBinaryRows({ ...shape, weight, offset });
      for (let p = 2; p <= 8; p++) {
        const decoded = decode({ ...shape, weight, offset }, packed, p);
        expect(decoded.subarray(0, 48).every((w) => w === 0)).toBe(true);
        expect(decoded.subarray(48).some((w) => w !== 0)).toBe(true);
      }
    }
  });

  test("the largest weights that are accepted keep finite scales; weights below any step become 0", () => {
    for (const magnitude of [65504, 1e-12]) {
      const weight = Float32Array.from({ length: 96 }, (_, k) => (k % 3 === 0 ? -magnitude : magnitude));
      const range = { ...shape, weight, offset: false };
      const packed = quantizeBinaryRows(range);
      for (const { steps } of packed.scales) expect((steps[0]! & 0x7c00) < 0x7c00).toBe(true);
      const decoded = decode(range, packed, 8);
      for (const [k, w] of weight.entries()) {
        expect(Math.abs(decoded[k]! - (magnitude < 1 ? 0 : w))).toBeLessThanOrEqual(0.01 * magnitude);
      }
    }
  });
});
