import { describe, expect, it } from "vitest";
import { holdOut } from "./hold-out.js";

const rows = (...bits: number[]) => bits.map((value) => ({ bits: value }));
const bitsOf = (list: readonly { bits: number }[]) => list.map((row) => row.bits);

describe("holding out precisions", () => {
  it("takes every second one between the ends", () => {
    const { fitted, heldOut } = holdOut(rows(2, 3, 4, 6, 8), undefined);
    expect([bitsOf(fitted), bitsOf(heldOut)]).toEqual([
      [2, 4, 8],
      [3, 6],
    ]);
  });

  it("takes none where a fit would have too few rows, and some of each model where there are several", () => {
    expect(holdOut(rows(2, 3, 4), undefined).heldOut).toEqual([]);
    expect(bitsOf(holdOut(rows(2, 3, 4, 2, 3, 4), undefined).heldOut)).toEqual([3, 3]);
  });

  it("follows a wish, and refuses bits that were not measured", () => {
    expect(bitsOf(holdOut(rows(2, 3, 4, 6), [2, 6]).heldOut)).toEqual([2, 6]);
    expect(holdOut(rows(2, 3, 4, 6, 8), "none").heldOut).toEqual([]);
    expect(() => holdOut(rows(2, 3, 4, 6), [5])).toThrow(/--hold-out 5.*2, 3, 4, 6/);
  });
});
