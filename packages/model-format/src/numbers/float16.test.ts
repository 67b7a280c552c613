import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bfloat16ToFloat32, float32ToBfloat16 } from "./bfloat16.js";
import { findNonFiniteFloat16, float16ToFloat32, float32ToFloat16 } from "./float16.js";

const allPatterns = Uint16Array.from({ length: 65536 }, (_, pattern) => pattern);

/** Half precision by its definition: the nearest representable number, ties to the even fraction. */
function roundToHalf(value: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(value))), -14);
  const unit = 2 ** (exponent - 10);
  const scaled = Math.abs(value) / unit;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  const magnitude = rounded * unit;
  return Math.sign(value) * (magnitude >= 65520 ? Number.POSITIVE_INFINITY : magnitude);
}

describe("half precision", () => {
  test("every pattern survives widening and narrowing, not-a-number as not-a-number", () => {
    const values = float16ToFloat32(allPatterns);

    const back = float32ToFloat16(values);

    for (const pattern of allPatterns) {
      if (Number.isNaN(values[pattern])) expect((back[pattern]! & 0x7fff) > 0x7c00).toBe(true);
      else if (back[pattern] !== pattern) expect.fail(`${pattern} became ${back[pattern]}`);
    }
  });

  test("narrowing rounds to nearest, ties to even", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.float(), fc.float({ min: -70000, max: 70000 }), fc.float({ min: -(2 ** -13), max: 2 ** -13 })),
        (value) => {
          const [narrowed] = float16ToFloat32(float32ToFloat16(Float32Array.of(value)));
          expect(narrowed).toBe(roundToHalf(Math.fround(value)));
        },
      ),
      { numRuns: 2000 },
    );
  });

  test.each([
    [65504, 65504],
    [65519.996, 65504],
    [65520, Number.POSITIVE_INFINITY],
    [2 ** -24, 2 ** -24],
    [2 ** -25, 0],
    [2 ** -25 * 1.0001, 2 ** -24],
    [1 + 2 ** -11, 1],
    [1 + 3 * 2 ** -11, 1 + 2 ** -9],
    [2047.75 * 2 ** -25, 2 ** -14],
  ])("%d narrows to %d", (value, expected) => {
    expect(float16ToFloat32(float32ToFloat16(Float32Array.of(value)))[0]).toBe(expected);
  });

  test("infinities and not-a-number are found, at any place", () => {
    expect(findNonFiniteFloat16(Uint16Array.of(0, 0x7bff, 0xfbff))).toBe(-1);
    expect(findNonFiniteFloat16(Uint16Array.of(0, 0x7c00))).toBe(1);
    expect(findNonFiniteFloat16(Uint16Array.of(0xfe01))).toBe(0);
  });
});

describe("bfloat16", () => {
  test("every pattern survives widening and narrowing", () => {
    const values = bfloat16ToFloat32(allPatterns);

    const back = float32ToBfloat16(values);

    for (const pattern of allPatterns) {
      if (!Number.isNaN(values[pattern]) && back[pattern] !== pattern)
        expect.fail(`${pattern} became ${back[pattern]}`);
    }
  });

  test("narrowing picks the nearer neighbour, ties to even", () => {
    const values = Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, -(1 + 2 ** -9));
    expect([...bfloat16ToFloat32(float32ToBfloat16(values))]).toEqual([1, 1 + 2 ** -6, 1 + 2 ** -7, -1]);
  });
});
