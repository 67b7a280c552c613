import { InvalidArgumentError, UnsupportedError } from "@stepdown/core";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { dequantize } from "./dequantize.js";
import { quantizableGgufType, quantizableGgufTypes, quantizeToGguf, roundTripGguf } from "./quantize.js";

/** Gaussian-like weights, the same in every run. */
function weights(count: number, spread = 0.05): Float32Array {
  let state = 12345;
  const uniform = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => {
    return spread * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  });
}

/** Root-mean-square error of a round trip in parts of the values' own size. */
function relativeError(type: string, values: Float32Array): number {
  const found = roundTripGguf(type, values);
  let [error, size] = [0, 0];
  values.forEach((value, i) => {
    error += (found[i]! - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(error / size);
}

/**
 * Bounds of the round trip's relative error on Gaussian weights; a code of b bits over a block's range leaves about
 * range / 2^b / √12. Wrong packing or a wrong sign leaves 1 and more.
 */
const bounds: Readonly<Record<string, number>> = {
  Q8_0: 0.008,
  Q6_K: 0.025,
  Q5_1: 0.045,
  Q5_K: 0.045,
  Q5_0: 0.05,
  Q4_K: 0.085,
  Q4_1: 0.09,
  Q4_0: 0.1,
  Q3_K: 0.19,
  Q2_K: 0.36,
};

describe("quantizeToGguf", () => {
  it.each(quantizableGgufTypes)("%s comes back close, and in as many bytes as the type says", (type) => {
    const values = weights(256 * 64);
    const { blockBytes, blockWeights } = quantizableGgufType(type);
    expect(quantizeToGguf(type, values)).toHaveLength((values.length / blockWeights) * blockBytes);
    expect(relativeError(type, values)).toBeLessThan(bounds[type]!);
    expect(relativeError(type, values)).toBeGreaterThan(bounds[type]! / 3);
  });

  it.each(quantizableGgufTypes)(
    "%s keeps zeros and is finite for any weights that half precision can scale",
    (type) => {
      expect(Math.max(...roundTripGguf(type, new Float32Array(512)).map(Math.abs))).toBe(0);
      const number = fc.float({ noNaN: true, min: -1000, max: 1000 });
      fc.assert(
        fc.property(fc.array(number, { minLength: 256, maxLength: 256 }), (numbers) => {
          const values = Float32Array.from(numbers);
          const found = roundTripGguf(type, values);
          const largest = Math.max(...values.map(Math.abs));
          expect(found.every(Number.isFinite)).toBe(true);
          // A step of the coarsest type is half its range; subnormal scales of half precision add their own unit.
          const furthest = Math.max(...found.map((value, i) => Math.abs(value - values[i]!)));
          expect(furthest).toBeLessThanOrEqual(1.2 * largest + 1e-3);
        }),
        { numRuns: 40 },
      );
    },
  );

  it.each(["Q4_0", "Q5_0", "Q8_0"])("%s leaves values that it can hold as they are", (type) => {
    const layout = quantizableGgufType(type);
    const bytes = Uint8Array.from({ length: layout.blockBytes * 20 }, (_, i) => (i * 37 + 11) & 255);
    for (let block = 0; block < 20; block++) {
      // Scale 1/64 in half precision; the first code is the extreme one, so that the block's scale is found again.
      const at = block * layout.blockBytes;
      bytes[at] = 0;
      bytes[at + 1] = 0x24;
      if (type === "Q4_0") bytes[at + 2]! &= 0xf0;
      if (type === "Q5_0") {
        bytes[at + 2]! &= 0xfe;
        bytes[at + 6]! &= 0xf0;
      }
      if (type === "Q8_0") for (let i = 2; i < 34; i++) bytes[at + i] = bytes[at + i] === 0x80 ? 0x81 : bytes[at + i]!;
      if (type === "Q8_0") bytes[at + 2] = 0x81;
    }
    const values = dequantize(type, bytes, "test");
    expect(roundTripGguf(type, values)).toEqual(values);
    expect(quantizeToGguf(type, values)).toEqual(bytes);
  });

  test("Q4_0 puts the weight of largest magnitude on code 0 and rounds the others to the nearest", () => {
    const values = new Float32Array(32);
    values[3] = 2;
    values[20] = -1;
    values[31] = 0.1;
    const bytes = quantizeToGguf("Q4_0", values);
    // d = −0.25: codes are 8 − 4w; 0.1 gives 7.6, which rounds to 8.
    expect([bytes[0], bytes[1]]).toEqual([0x00, 0xb4]);
    expect(bytes[2 + 3]! & 15).toBe(0);
    expect(bytes[2 + 4]! >> 4).toBe(12);
    expect(bytes[2 + 15]! >> 4).toBe(8);
  });

  it("refuses unknown types and parts of blocks", () => {
    expect(() => quantizeToGguf("IQ2_XXS", new Float32Array(256))).toThrow(UnsupportedError);
    expect(() => quantizeToGguf("Q4_K", new Float32Array(288))).toThrow(InvalidArgumentError);
    expect(() => quantizeToGguf("Q4_K", new Float32Array(288))).toThrow(
      "288 numbers are no whole number of Q4_K blocks",
    );
  });
});
