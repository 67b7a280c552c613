import { describe, expect, it } from "vitest";
import { formatError, formatRate, formatSi } from "./si-units.js";

describe("numbers for people", () => {
  it.each([
    [0, "0 s"],
    [999.96, "1.000 ks"],
    [12.345e9, "12.35 Gs"],
    [0.000_999_99, "1.000 ms"],
    [1e-13, "0.1000 ps"],
    [Number.POSITIVE_INFINITY, "∞ s"],
  ])("%d has four digits and a prefix", (value, text) => expect(formatSi(value, "s")).toBe(text));

  it("have signs where they are deviations", () => {
    expect([0.0014, -0.0053, -0.00001].map(formatError)).toEqual(["+0.14 %", "-0.53 %", "-0.00 %"]);
  });

  it("are plain where they are rates", () => {
    expect([2.4419, 63.966, 51_708].map(formatRate)).toEqual(["2.442", "63.97", "51,708"]);
  });
});
