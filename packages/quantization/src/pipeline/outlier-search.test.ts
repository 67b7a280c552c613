import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openFileSource, openSafetensors } from "@stepdown/model-format";
import { goldenPath, skipReason } from "@stepdown/test-support";
import { describe, expect, test } from "vitest";
import { mostSensitive, searchMultiplier, summarizeMagnitudes, thresholdOf } from "./outlier-search.js";

/** The published search prints its multiplier with this precision. */
const MULTIPLIER_TOLERANCE = 1e-9;

const folder = goldenPath("any-precision");
const suite = "published outliers";

describe.skipIf(folder === undefined)(folder === undefined ? skipReason(suite) : suite, () => {
  test("multiplier, masks and values are the same", async () => {
    const { outliers: golden } = JSON.parse(readFileSync(join(folder!, "index.json"), "utf8"));
    const file = await openSafetensors((await openFileSource(join(folder!, "outliers.safetensors")))!);
    const names = [...file.tensors.keys()].filter((name) => name.startsWith("weight.")).map((name) => name.slice(7));
    expect(names.length).toBeGreaterThan(0);
    const share = golden.magnitudePercent / 100;
    const dense = new Map<string, Float32Array>();
    for (const name of names) {
      const weight = await file.readFloat32(`weight.${name}`);
      const sensitivity = await file.readFloat32(`sensitivity.${name}`);
      const count = Math.floor((golden.sensitivityPercent * weight.length) / 100);
      for (const i of mostSensitive(sensitivity, count)) weight[i] = 0;
      dense.set(name, weight);
    }
    const summaries = names.map((name) => summarizeMagnitudes(dense.get(name)!, share));
    const multiplier = searchMultiplier(summaries, share);
    expect(Math.abs(multiplier - golden.multiplier)).toBeLessThan(MULTIPLIER_TOLERANCE);
    let count = 0;
    for (const [i, name] of names.entries()) {
      const threshold = thresholdOf(summaries[i]!, multiplier);
      expect(threshold).toBeCloseTo(golden.thresholds[name], 7);
      const weight = dense.get(name)!;
      const kept = weight.map((w) => (Math.abs(w) >= threshold ? 0 : w));
      count += weight.filter((w) => Math.abs(w) >= threshold).length;
      expect(kept).toEqual(await file.readFloat32(`dense.${name}`));
      const original = await file.readFloat32(`weight.${name}`);
      // Adding 0 makes +0 of −0.
      const sparse = (await file.readFloat32(`sparse.${name}`)).map((w) => w + 0);
      expect(original.map((w, k) => (kept[k] === w ? 0 : w))).toEqual(sparse);
    }
    expect(count).toBe(golden.magnitudeOutliers);
  });
});

test("of equally sensitive weights the first are taken", () => {
  expect([...mostSensitive(Float32Array.of(1, 3, 2, 2, 0, 2), 3)]).toEqual([1, 2, 3]);
  expect([...mostSensitive(Float32Array.of(0, 0), 0)]).toEqual([]);
  expect([...mostSensitive(Float32Array.of(5, 5), 2)]).toEqual([0, 1]);
});

test("a share that cannot be met ends where equal weights stand, and layers of zeros do not count", () => {
  const zeros = summarizeMagnitudes(new Float32Array(1000), 0.01);
  const ties = summarizeMagnitudes(
    Float32Array.from({ length: 1000 }, (_, i) => (i < 100 ? 9 : Math.sin(i))),
    0.01,
  );
  const multiplier = searchMultiplier([zeros, ties], 0.01);
  expect(thresholdOf(ties, multiplier)).toBeCloseTo(9, 12);
});
