import {
  type BinaryCodedWeight,
  type CodebookWeight,
  InvalidArgumentError,
  type LinearWeight,
  PrecisionUnavailableError,
  type UniformWeight,
} from "@stepdown/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dequantizeLinear } from "./dequantize-linear.js";
import { float16ToNumber, numberToFloat16 } from "./float16.js";

/** Planes of labels `[rows][columns]`, written bit by bit. */
function planesOf(labels: readonly number[], rows: number, columns: number, bits: number): Uint8Array[] {
  const stride = Math.ceil(columns / 8);
  return Array.from({ length: bits }, (_, plane) => {
    const bytes = new Uint8Array(rows * stride);
    labels.forEach((label, index) => {
      const row = Math.floor(index / columns);
      const column = index % columns;
      const bit = (label >> (bits - 1 - plane)) & 1;
      bytes[row * stride + Math.floor(column / 8)]! |= bit << (column % 8);
    });
    return bytes;
  });
}

const halves = (values: readonly number[]): Uint16Array => Uint16Array.from(values, numberToFloat16);

describe("dequantizeLinear", () => {
  it("reads a codebook weight through the first planes", () => {
    const weight: CodebookWeight = {
      codec: "codebook",
      rows: 2,
      columns: 3,
      seedBits: 1,
      bits: 2,
      planes: planesOf([0, 1, 2, 3, 2, 1], 2, 3, 2),
      tables: new Map([
        [1, halves([-1, 1, -10, 10])],
        [2, halves([-2, -1, 1, 2, -20, -10, 10, 20])],
      ]),
    };
    expect([...dequantizeLinear(weight, 2)]).toEqual([-2, -1, 1, 20, 10, -10]);
    expect([...dequantizeLinear(weight, 1)]).toEqual([-1, -1, 1, 10, 10, -10]);
  });

  it("reads a uniform weight at every precision, below its seed too", () => {
    const weight: UniformWeight = {
      codec: "uniform",
      rows: 1,
      columns: 4,
      seedBits: 2,
      bits: 2,
      planes: planesOf([0, 1, 2, 3], 1, 4, 2),
      scales: Float32Array.of(8),
    };
    expect([...dequantizeLinear(weight, 2)]).toEqual([-6, -2, 2, 6]);
    expect([...dequantizeLinear(weight, 1)]).toEqual([-4, -4, 4, 4]);
  });

  it("reads a binary-coded weight group by group, with offsets", () => {
    const weight: BinaryCodedWeight = {
      codec: "bcq",
      rows: 1,
      columns: 4,
      seedBits: 2,
      bits: 2,
      groupSize: 2,
      planes: planesOf([0, 1, 2, 3], 1, 4, 2),
      scales: new Map([
        [2, { codes: Int8Array.of(4, 1, -3, 2), steps: halves([0.5]), offsets: Int8Array.of(10, -10) }],
      ]),
    };
    // Group 0: 0.5·(±4 ± 1 + 10); group 1: 0.5·(∓3 ± 2 − 10).
    expect([...dequantizeLinear(weight, 2)]).toEqual([2.5, 3.5, -7.5, -5.5]);
  });

  it("reads dense weights of all three types and ignores the precision", () => {
    const shape = { codec: "dense", rows: 1, columns: 2 } as const;
    expect([...dequantizeLinear({ ...shape, type: "f32", data: Float32Array.of(0.1, -3) }, 99)]).toEqual([
      Math.fround(0.1),
      -3,
    ]);
    expect([...dequantizeLinear({ ...shape, type: "f16", data: Uint16Array.of(0x3c00, 0xc000) }, 16)]).toEqual([1, -2]);
    expect([...dequantizeLinear({ ...shape, type: "bf16", data: Uint16Array.of(0x3f80, 0xc000) }, 16)]).toEqual([
      1, -2,
    ]);
  });

  it("gives the same values for a uniform code, a binary code with halving scales and a codebook of its levels", () => {
    const shapes = fc.record({
      rows: fc.integer({ min: 1, max: 5 }),
      columns: fc.integer({ min: 1, max: 41 }),
      bits: fc.integer({ min: 1, max: 6 }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(shapes, ({ rows, columns, bits, seed }) => {
        const labels = Array.from({ length: rows * columns }, (_, i) => ((seed + i * 40503) >>> 3) % 2 ** bits);
        const planes = planesOf(labels, rows, columns, bits);
        const scales = Float32Array.from({ length: rows }, (_, row) => (row + 1) * 0.25);
        const uniform: UniformWeight = { codec: "uniform", rows, columns, seedBits: 1, bits, planes, scales };
        const precisions = Array.from({ length: bits }, (_, i) => i + 1);
        const bcq: BinaryCodedWeight = {
          ...uniform,
          codec: "bcq",
          groupSize: columns,
          scales: new Map(
            precisions.map((p) => {
              const codes = Array.from({ length: rows * p }, (_, i) => 2 ** (p - 1 - (i % p)));
              return [p, { codes: Int8Array.from(codes), steps: halves([...scales].map((s) => s / 2 ** p)) }];
            }),
          ),
        };
        const codebook: CodebookWeight = {
          ...uniform,
          codec: "codebook",
          tables: new Map(
            precisions.map((p) => {
              const levels = Array.from({ length: rows * 2 ** p }, (_, i) => {
                const row = Math.floor(i / 2 ** p);
                return (scales[row]! * (2 * (i % 2 ** p) + 1 - 2 ** p)) / 2 ** p;
              });
              return [p, halves(levels)];
            }),
          ),
        };
        for (const p of precisions) {
          const expected = dequantizeLinear(uniform, p);
          expect(dequantizeLinear(bcq, p)).toEqual(expected);
          expect(dequantizeLinear(codebook, p)).toEqual(expected);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("keeps binary-coded values exact in float32", () => {
    const codes = Int8Array.of(127, -127, 101, 99, 77, 55, 33, 11);
    const step = 0x3bff;
    const weight: BinaryCodedWeight = {
      codec: "bcq",
      rows: 1,
      columns: 1,
      seedBits: 8,
      bits: 8,
      groupSize: 1,
      planes: planesOf([0b10111111], 1, 1, 8),
      scales: new Map([[8, { codes, steps: Uint16Array.of(step), offsets: Int8Array.of(125) }]]),
    };
    expect(dequantizeLinear(weight, 8)[0]).toBe(
      (127 + 127 + 101 + 99 + 77 + 55 + 33 + 11 + 125) * float16ToNumber(step),
    );
  });

  it("refuses a precision that is not held and arrays that do not fit", () => {
    const weight: CodebookWeight = {
      codec: "codebook",
      rows: 1,
      columns: 9,
      seedBits: 2,
      bits: 2,
      planes: planesOf(Array(9).fill(1), 1, 9, 2),
      tables: new Map([[2, halves([1, 2, 3, 4])]]),
    };
    expect(() => dequantizeLinear(weight, 3)).toThrow(PrecisionUnavailableError);
    expect(() => dequantizeLinear(weight, 1)).toThrow(PrecisionUnavailableError);
    const broken: LinearWeight[] = [
      { ...weight, rows: 2 },
      { ...weight, columns: 17 },
      { ...weight, columns: 0 },
      { ...weight, bits: 3 },
      { ...weight, seedBits: 1 },
      { ...weight, planes: [weight.planes[0]!] },
      { ...weight, tables: new Map() },
      { ...weight, codec: "other" as "codebook" },
    ];
    for (const wrong of broken) expect(() => dequantizeLinear(wrong, 2)).toThrow(InvalidArgumentError);
  });
});
