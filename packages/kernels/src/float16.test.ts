import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bfloat16ToNumber } from "./bfloat16.js";
import { float16ToNumber, numberToFloat16 } from "./float16.js";

describe("half precision", () => {
  it("gives every pattern back that is not a NaN", () => {
    const patterns = Array.from({ length: 0x10000 }, (_, bits) => bits);
    const numbers = patterns.filter((bits) => (bits & 0x7fff) <= 0x7c00);
    expect(numbers.filter((bits) => numberToFloat16(float16ToNumber(bits)) !== bits)).toEqual([]);
    expect(patterns.filter((bits) => Number.isNaN(float16ToNumber(bits)))).toHaveLength(65536 - numbers.length);
  });

  it.each([
    [0x3c00, 1],
    [0xc000, -2],
    [0x3555, 0.333251953125],
    [0x7bff, 65504],
    [0x0400, 2 ** -14],
    [0x0001, 2 ** -24],
    [0x8000, -0],
    [0x7c00, Number.POSITIVE_INFINITY],
  ])("reads pattern %i as %f", (bits, value) => {
    expect(float16ToNumber(bits)).toBe(value);
  });

  it("rounds ties to the even pattern and overflows from 65520 on", () => {
    expect(numberToFloat16(1 + 1 / 2048)).toBe(0x3c00);
    expect(numberToFloat16(1 + 3 / 2048)).toBe(0x3c02);
    expect(numberToFloat16(2 - 1 / 4096)).toBe(0x4000);
    expect(numberToFloat16(2 ** -25)).toBe(0);
    expect(numberToFloat16(3 * 2 ** -25)).toBe(2);
    expect(numberToFloat16(65519.99)).toBe(0x7bff);
    expect(numberToFloat16(65520)).toBe(0x7c00);
    expect(numberToFloat16(Number.NaN)).toBe(0x7e00);
  });

  it("chooses the nearest of all halves", () => {
    fc.assert(
      fc.property(fc.double({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const bits = numberToFloat16(value);
        const error = Math.abs(float16ToNumber(bits) - value);
        for (const neighbour of [bits - 1, bits + 1])
          if (neighbour >= 0 && Number.isFinite(float16ToNumber(neighbour)))
            expect(Math.abs(float16ToNumber(neighbour) - value)).toBeGreaterThanOrEqual(error);
      }),
    );
  });
});

describe("bfloat16", () => {
  it("is the upper half of a float32 pattern", () => {
    expect(bfloat16ToNumber(0x3f80)).toBe(1);
    expect(bfloat16ToNumber(0xc049)).toBe(-3.140625);
    expect(bfloat16ToNumber(0x0001)).toBe(2 ** -133);
  });
});
