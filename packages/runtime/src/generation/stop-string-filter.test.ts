import fc from "fast-check";
import { expect, it } from "vitest";
import { createStopStringFilter } from "./stop-string-filter.js";

function filtered(pieces: readonly string[], stops: readonly string[]): { text: string; stopped: boolean } {
  const filter = createStopStringFilter(stops);
  const text = pieces.map((piece) => filter.push(piece)).join("") + filter.end();
  return { text, stopped: filter.stopped };
}

it("cuts at the stop string that is complete first, however the text is cut into pieces", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 14 });
  const stop = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 6 }), fc.array(stop, { maxLength: 3 }), (pieces, stops) => {
      const text = pieces.join("");
      const ends = [...text].map((_, i) => stops.filter((one) => text.slice(0, i + 1).endsWith(one)));
      const end = ends.findIndex((found) => found.length > 0);
      const longest = end < 0 ? 0 : Math.max(...ends[end]!.map((one) => one.length));
      const expected = end < 0 ? { text, stopped: false } : { text: text.slice(0, end + 1 - longest), stopped: true };
      expect(filtered(pieces, stops)).toEqual(expected);
      expect(filtered([...text], stops)).toEqual(expected);
    }),
  );
});

it("holds back no more than a stop string could still need", () => {
  const filter = createStopStringFilter(["###"]);
  expect(["a#", "#b", "##"].map((piece) => filter.push(piece))).toEqual(["a", "##b", ""]);
  expect(filter.end()).toBe("##");
});

it("swallows everything after a stop string", () => {
  expect(filtered(["one STOP two", " three"], ["STOP"])).toEqual({ text: "one ", stopped: true });
});
