import { describe, expect, it } from "vitest";
import { createRandomLinearWeight } from "./random-linear-weight.js";

describe("createRandomLinearWeight", () => {
  it("is the same for the same options and another for another seed", () => {
    const options = { codec: "codebook", rows: 5, columns: 13, seedBits: 2, bits: 3 } as const;
    expect(createRandomLinearWeight(options)).toEqual(createRandomLinearWeight(options));
    expect(createRandomLinearWeight({ ...options, seed: 2 })).not.toEqual(createRandomLinearWeight(options));
  });

  it("has planes without surplus bits, and tables and scales for every precision from its seed on", () => {
    const shape = { rows: 3, columns: 13, seedBits: 2, bits: 4 };
    const codebook = createRandomLinearWeight({ codec: "codebook", ...shape });
    if (codebook.codec !== "codebook") throw new Error("another codec came back");
    expect(codebook.planes.map((plane) => plane.length)).toEqual([6, 6, 6, 6]);
    for (const plane of codebook.planes) expect([1, 3, 5].map((at) => plane[at]! >> 5)).toEqual([0, 0, 0]);
    expect([...codebook.tables].map(([precision, table]) => [precision, table.length])).toEqual([
      [2, 12],
      [3, 24],
      [4, 48],
    ]);
    const bcq = createRandomLinearWeight({ codec: "bcq", ...shape, columns: 24, groupSize: 8, offsets: true });
    if (bcq.codec !== "bcq") throw new Error("another codec came back");
    const lengths = [...bcq.scales.values()].map(({ codes, steps, offsets }) => [
      codes.length,
      steps.length,
      offsets!.length,
    ]);
    expect(lengths).toEqual([
      [18, 3, 9],
      [27, 3, 9],
      [36, 3, 9],
    ]);
  });

  it("has finite numbers of the asked size", () => {
    for (const kind of ["normal", "zeros", "denormal", "huge", "outliers"] as const) {
      const weight = createRandomLinearWeight({ codec: "dense", rows: 20, columns: 20, kind });
      if (weight.codec !== "dense") throw new Error("another codec came back");
      const largest = Math.max(...weight.data.map(Math.abs));
      expect(Number.isFinite(largest)).toBe(true);
      expect(largest === 0).toBe(kind === "zeros");
      expect(largest > 1e29).toBe(kind === "huge");
    }
  });
});
