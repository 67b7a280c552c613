import type { LinearWeight } from "@stepdown/core";
import { dequantizeLinear, float16ToNumber } from "@stepdown/kernels";
import { describeCheckpoint } from "@stepdown/runtime";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { modelShapes } from "./model-shapes.js";
import { createSyntheticCheckpoint } from "./synthetic-model.js";
import { syntheticDenseWeight, syntheticFloatWeight, syntheticNestedWeight } from "./synthetic-weight.js";
import { groupSizeFor, isNestedKind, weightKinds } from "./weight-kinds.js";

/** Smallest normal numbers of half precision and float32. */
const SMALLEST_HALF = 2 ** -14;
const SMALLEST_FLOAT = 2 ** -126;

const shapes = fc.record({ rows: fc.integer({ min: 1, max: 9 }), columns: fc.integer({ min: 1, max: 700 }) });

function make(kind: (typeof weightKinds)[number], rows: number, columns: number, seed: number): LinearWeight {
  if (!isNestedKind(kind)) return syntheticDenseWeight({ rows, columns }, kind, seed);
  const groupSize = kind === "bcq" ? { groupSize: groupSizeFor(columns) } : {};
  const facts = { name: "x", codec: kind, rows, columns, seedBits: 2, bits: 8, followsPrecision: true, ...groupSize };
  return syntheticNestedWeight(facts, seed);
}

describe("synthetic weights", () => {
  it.each(weightKinds)("of %s hold only finite numbers that are not denormal", (kind) => {
    fc.assert(
      fc.property(shapes, fc.integer(), ({ rows, columns }, seed) => {
        const weight = make(kind, rows, columns, seed);
        const halves = (patterns: Uint16Array) => {
          const magnitudes = Array.from(patterns, (pattern) => Math.abs(float16ToNumber(pattern)));
          expect(magnitudes.every((value) => value >= SMALLEST_HALF && Number.isFinite(value))).toBe(true);
        };
        if (weight.codec === "codebook") for (const table of weight.tables.values()) halves(table);
        if (weight.codec === "bcq") for (const { steps } of weight.scales.values()) halves(steps);
        if (weight.codec === "dense" && weight.type === "f16") halves(weight.data as Uint16Array);
        if (weight.codec === "dense" && weight.type === "f32") {
          expect(weight.data.every((value) => Number.isFinite(value) && Math.abs(value) >= SMALLEST_FLOAT)).toBe(true);
        }
        for (const bits of weight.codec === "dense" ? [32] : [2, 5, 8]) {
          const values = dequantizeLinear(weight, bits);
          expect(values).toHaveLength(rows * columns);
          expect(values.every((value) => Number.isFinite(value))).toBe(true);
        }
      }),
      { numRuns: 25 },
    );
  });

  it.each(weightKinds)("of %s keep the size of activations", (kind) => {
    for (const columns of [64, 576, 4096]) {
      const values = dequantizeLinear(make(kind, 32, columns, 3), kind === "f16" || kind === "f32" ? 32 : 4);
      const meanSquare = values.reduce((sum, value) => sum + value * value, 0) / values.length;
      expect(Math.sqrt(meanSquare * columns)).toBeGreaterThan(0.5);
      expect(Math.sqrt(meanSquare * columns)).toBeLessThan(2);
    }
  });

  it("use both values of every bit about equally often, and differ from plane to plane", () => {
    const weight = make("codebook", 64, 576, 5);
    if (weight.codec !== "codebook") throw new Error("codebook was asked for");
    for (const plane of weight.planes) {
      const ones = plane.reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
      expect(ones / (plane.length * 8)).toBeGreaterThan(0.48);
      expect(ones / (plane.length * 8)).toBeLessThan(0.52);
    }
    expect(new Set(weight.planes.map((plane) => plane.join())).size).toBe(weight.planes.length);
  });

  it("are the same for the same seed and others for another", () => {
    for (const kind of weightKinds) {
      expect(make(kind, 4, 64, 9)).toEqual(make(kind, 4, 64, 9));
      expect(make(kind, 4, 64, 9)).not.toEqual(make(kind, 4, 64, 10));
    }
    expect(syntheticFloatWeight({ rows: 3, columns: 50 }, 1)).toEqual(
      syntheticFloatWeight({ rows: 3, columns: 50 }, 1),
    );
  });
});

describe("synthetic models", () => {
  it.each(Object.entries(modelShapes))("of the preset %s are models the runtime knows", (_, { title, config }) => {
    const options = { config, name: title, kind: "codebook", seedBits: 2, bits: 4, seed: 1 } as const;
    const { description, cost } = describeCheckpoint(createSyntheticCheckpoint(options));
    // Titles carry the parameter count: "SmolLM2-135M", "Llama-2-7B".
    const [, count, unit] = /-([\d.]+)([MB])$/.exec(title) as RegExpExecArray;
    const millions = Number(count) * (unit === "B" ? 1000 : 1);
    expect(description.parameters / 1e6 / millions).toBeGreaterThan(0.95);
    expect(description.parameters / 1e6 / millions).toBeLessThan(1.05);
    expect(cost(2).bytes).toBeLessThan(cost(4).bytes);
  });
});
