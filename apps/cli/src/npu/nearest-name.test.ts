import { describe, expect, it } from "vitest";
import { findByBeginning, findName, nearestName, unknownName } from "./nearest-name.js";

const known = ["lmsys/vicuna-7b-v1.5", "microsoft/phi-1_5", "HuggingFaceTB/SmolLM2-135M", "HuggingFaceTB/SmolLM2-1.7B"];

describe("names", () => {
  it("are found whatever their case, and by their last part", () => {
    expect(findName("MICROSOFT/PHI-1_5", known)).toBe("microsoft/phi-1_5");
    expect(findName("smollm2-135m", known)).toBe("HuggingFaceTB/SmolLM2-135M");
    expect(findName("phi", known)).toBeUndefined();
  });

  it("are found by their beginning only where one begins so", () => {
    expect(findByBeginning("vicuna-7b", known)).toBe("lmsys/vicuna-7b-v1.5");
    expect(findByBeginning("smollm2-1", known)).toBeUndefined();
  });

  it("that are misspelt get the nearest suggested, strange ones none, and all are listed", () => {
    expect(nearestName("phi-1.5", known)).toBe("microsoft/phi-1_5");
    expect(nearestName("vicunna-7b-v1.5", known)).toBe("lmsys/vicuna-7b-v1.5");
    expect(nearestName("xyzxyzxyz", known)).toBeUndefined();
    expect(unknownName("model", "phi-2_5", known).message).toBe(
      `There is no model "phi-2_5". Did you mean microsoft/phi-1_5? There are: ${known.join(", ")}.`,
    );
    expect(unknownName("model", "q".repeat(1000), known).message).not.toMatch(/Did you mean|q{300}/);
  });
});
