import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packPlanes, planeRowBytes, unpackLabels } from "./planes.js";

const labelCases = fc
  .record({
    rows: fc.integer({ min: 1, max: 5 }),
    columns: fc.integer({ min: 1, max: 70 }),
    bits: fc.integer({ min: 1, max: 8 }),
  })
  .chain(({ rows, columns, bits }) =>
    fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      bits: fc.constant(bits),
      labels: fc.uint8Array({ minLength: rows * columns, maxLength: rows * columns, max: 2 ** bits - 1 }),
    }),
  );

describe("bit planes", () => {
  test("labels come back from their planes, at every precision as the label's first bits", () => {
    fc.assert(
      fc.property(labelCases, ({ rows, columns, bits, labels }) => {
        const planes = packPlanes(labels, rows, columns, bits);
        for (let p = 1; p <= bits; p++) {
          expect(unpackLabels(planes, rows, columns, p)).toEqual(labels.map((label) => label >> (bits - p)));
        }
      }),
    );
  });

  test("every bit lies where the layout says and surplus bits are zero", () => {
    fc.assert(
      fc.property(labelCases, ({ rows, columns, bits, labels }) => {
        const planes = packPlanes(labels, rows, columns, bits);
        const expected = planes.map(() => new Uint8Array(rows * planeRowBytes(columns)));
        for (let row = 0; row < rows; row++) {
          for (let k = 0; k < columns; k++) {
            for (let plane = 0; plane < bits; plane++) {
              const bit = (labels[row * columns + k]! >> (bits - 1 - plane)) & 1;
              expected[plane]![row * planeRowBytes(columns) + Math.floor(k / 8)]! |= bit << (k % 8);
            }
          }
        }
        expect(planes).toEqual(expected);
      }),
    );
  });

  test.each([4, 1, 7])("a label of more than %d bits is refused wherever it stands", (bits) => {
    for (const place of [0, 9, 19]) {
      const labels = new Uint8Array(20);
      labels[place] = 2 ** bits;
      expect(() => packPlanes(labels, 2, 10, bits)).toThrow(`${bits} bits`);
    }
  });

  test("wrong sizes are refused", () => {
    expect(() => packPlanes(new Uint8Array(7), 2, 4, 2)).toThrow("expected 8 labels");
    expect(() => unpackLabels([new Uint8Array(3)], 2, 9, 1)).toThrow("expected 4 plane bytes");
    expect(() => unpackLabels([new Uint8Array(2)], 2, 8, 2)).toThrow("1 planes given");
    expect(() => packPlanes(new Uint8Array(8), 1, 8, 9)).toThrow("from 1 to 8");
  });
});
