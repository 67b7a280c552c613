/** Synthetic weights of one layer: random, but of the size and kind of numbers that trained layers have. */
import type { BinaryScales, DenseWeight, LinearShape, NestedWeight, Precision } from "@stepdown/core";
import type { LayerFacts } from "@stepdown/model-format";
import { createRandomNumbers, seedOf } from "../random-numbers.js";
import { exponentFor, randomFloats, randomHalves } from "./random-patterns.js";
import { syntheticPart } from "./synthetic-part.js";

/** A nested weight with the tables or scales of the precisions from `lowest` to `highest` only. */
export function syntheticNestedWeight(
  facts: LayerFacts,
  seed: number,
  lowest: Precision = facts.seedBits,
  highest: Precision = facts.bits,
): NestedWeight {
  const { codec, rows, columns } = facts;
  const precisions = Array.from({ length: highest - lowest + 1 }, (_, index) => lowest + index);
  const planes = Array.from(
    { length: highest },
    (_, plane) => syntheticPart(facts, { kind: "plane", plane }, seed) as Uint8Array,
  );
  const common = { rows, columns, seedBits: lowest, bits: highest, planes };
  if (codec === "uniform") {
    return { codec, ...common, scales: syntheticPart(facts, { kind: "scale" }, seed) as Float32Array };
  }
  if (codec === "codebook") {
    const table = (precision: Precision) => syntheticPart(facts, { kind: "table", precision }, seed) as Uint16Array;
    return { codec, ...common, tables: new Map(precisions.map((precision) => [precision, table(precision)])) };
  }
  const scales = (precision: Precision): BinaryScales => ({
    codes: syntheticPart(facts, { kind: "scale-codes", precision }, seed) as Int8Array,
    steps: syntheticPart(facts, { kind: "scale-steps", precision }, seed) as Uint16Array,
  });
  return {
    codec,
    ...common,
    groupSize: facts.groupSize ?? columns,
    scales: new Map(precisions.map((precision) => [precision, scales(precision)])),
  };
}

/** A dense weight. */
export function syntheticDenseWeight(
  { rows, columns }: LinearShape,
  type: "f32" | "f16",
  seed: number,
  name = "",
): DenseWeight {
  const random = createRandomNumbers(seedOf(seed, name));
  const make = type === "f32" ? randomFloats : randomHalves;
  return { codec: "dense", type, rows, columns, data: make(rows * columns, exponentFor(columns), random) };
}

/** Float numbers that look like a trained layer's to a quantizer: a bell curve (sum of four uniforms), wider in some rows. */
export function syntheticFloatWeight({ rows, columns }: LinearShape, seed: number): Float32Array {
  const random = createRandomNumbers(seed);
  const scale = Math.sqrt(3 / columns);
  const values = new Float32Array(rows * columns);
  for (let row = 0, i = 0; row < rows; row++) {
    const width = scale * (0.5 + random.uniform());
    for (let k = 0; k < columns; k++, i++) {
      values[i] = width * (random.uniform() + random.uniform() + random.uniform() + random.uniform() - 2);
    }
  }
  return values;
}
