import { describe, expect, it } from "vitest";
import { roundToBytes } from "./round-to-bytes.js";

describe("numbers in a cache of bytes", () => {
  it("are whole multiples of a 127th of the largest magnitude, ties to even", () => {
    expect([...roundToBytes(Float32Array.of(127, -126.4, 0.5, 1.5, -2.5, 0))]).toEqual([127, -126, 0, 2, -2, 0]);
    expect([...roundToBytes(Float32Array.of(-254, 3, 1))]).toEqual([-254, 4, 0]);
  });

  it("are within half a step of what was stored", () => {
    const numbers = Float32Array.from({ length: 96 }, (_, index) => Math.sin(index * index));
    const step = Math.max(...numbers.map(Math.abs)) / 127;
    roundToBytes(numbers).forEach((value, index) => {
      expect(Math.abs(value - numbers[index]!)).toBeLessThanOrEqual(step * 0.5001);
    });
  });

  it("are zeros where a scale would be no float32, and never finite where the numbers are not", () => {
    expect([...roundToBytes(Float32Array.of(1e-37, -1e-40))].map(Math.abs)).toEqual([0, 0]);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
      expect([...roundToBytes(Float32Array.of(1, value))].every(Number.isNaN)).toBe(true);
  });
});
