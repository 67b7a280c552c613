import { InvalidArgumentError } from "@stepdown/core";
import { describe, expect, it } from "vitest";
import { parseTextOption } from "./token-texts.js";
import { ggufTypeOfLayer } from "./variant-checkpoint.js";
import { parseModelOption } from "./variants.js";

describe("parseModelOption", () => {
  it.each([
    ["models/a", { location: "models/a" }],
    ["mine=models/a", { name: "mine", location: "models/a" }],
    ["models/a@3", { location: "models/a", precisions: [3] }],
    ["mine=/models/a@2,3,8", { name: "mine", location: "/models/a", precisions: [2, 3, 8] }],
    ["/models/x=y", { location: "/models/x=y" }],
    ["/models/me@home", { location: "/models/me@home" }],
  ])("reads %s", (text, expected) => {
    expect(parseModelOption(text)).toEqual(expected);
  });
});

describe("parseTextOption", () => {
  it("reads name, file and part", () => {
    expect(parseTextOption("c4=a/b.jsonl#700-999")).toEqual({ name: "c4", path: "a/b.jsonl", part: "700-999" });
    expect(parseTextOption("wiki=wiki.txt")).toEqual({ name: "wiki", path: "wiki.txt" });
    expect(() => parseTextOption("wiki.txt")).toThrow(InvalidArgumentError);
  });
});

describe("ggufTypeOfLayer", () => {
  it("falls back where rows are no whole number of super-blocks, and says so where nothing fits", () => {
    expect(ggufTypeOfLayer("Q4_K", 1536)).toBe("Q4_K");
    expect(ggufTypeOfLayer("Q4_K", 576)).toBe("Q5_0");
    expect(ggufTypeOfLayer("Q6_K", 576)).toBe("Q8_0");
    expect(ggufTypeOfLayer("Q4_0", 576)).toBe("Q4_0");
    expect(() => ggufTypeOfLayer("Q4_0", 40)).toThrow("Rows of 40 weights are no whole number of Q4_0 blocks.");
  });
});
