import type { CodebookWeight, LinearWeight, Precision, SparseOutliers, WeightCodec } from "@stepdown/core";
import { expectEqual, expectRefusal, expectThat } from "../checks/expectations.js";
import {
  createRandomLinearWeight,
  type RandomLinearWeightOptions,
  type RandomWeightKind,
} from "../random-linear-weight.js";
import { compareLinear } from "./linear-comparison.js";
import { type KernelCheck, type KernelSets, withScratch } from "./scratch.js";
import {
  COLUMNS,
  consecutive,
  type InputKind,
  MANY_ROWS,
  NESTED_CODECS,
  nestedPrecisions,
  ODD_COLUMNS,
  ROWS,
  randomInput,
  TOKENS,
} from "./shapes.js";

const DENSE_TYPES = ["f32", "f16", "bf16"] as const;
/** Extremes of weights and activations; the products of each pair stay inside float32. */
const EXTREMES: readonly (readonly [RandomWeightKind, InputKind])[] = [
  ["zeros", "normal"],
  ["normal", "zeros"],
  ["denormal", "normal"],
  ["normal", "denormal"],
  ["huge", "normal"],
  ["normal", "huge"],
  ["outliers", "outliers"],
  ["normal", "constant"],
];

const tokenCounts = ({ candidate }: KernelSets): number[] =>
  TOKENS.filter((tokens) => tokens <= candidate.capabilities.maximumTokens);

/** A weight of a codec that holds all precisions the set claims, or a dense one. */
function widestWeight(
  sets: KernelSets,
  codec: WeightCodec,
  shape: Omit<RandomLinearWeightOptions, "codec" | "seedBits" | "bits" | "offsets">,
): { weight: LinearWeight; precisions: Precision[] } {
  if (codec === "dense") return { weight: createRandomLinearWeight({ codec, ...shape }), precisions: [32] };
  const precisions = consecutive(nestedPrecisions(sets.candidate, codec));
  const offsets = (shape.seed ?? 0) % 2 === 1;
  const range = { seedBits: precisions[0]!, bits: precisions.at(-1)! };
  return { weight: createRandomLinearWeight({ codec, ...shape, ...range, offsets }), precisions };
}

/** Largest divisor of the columns that is a multiple of 8 and smaller than all, else all: groups as files have them. */
function usualGroup(columns: number): number {
  for (const size of [128, 64, 32, 16, 8]) if (columns % size === 0 && size < columns) return size;
  return columns;
}

async function compareShapes(sets: KernelSets, codec: WeightCodec, columnCounts: readonly number[]): Promise<void> {
  const counts = tokenCounts(sets);
  let seed = 0;
  for (const rows of ROWS) {
    for (const columns of columnCounts) {
      seed += 1;
      const { weight, precisions } = widestWeight(sets, codec, { rows, columns, groupSize: usualGroup(columns), seed });
      const tokens = counts[seed % counts.length]!;
      await compareLinear(sets, { weights: [weight], precisions, tokens, seed }, "odd shapes");
    }
  }
  const { weight, precisions } = widestWeight(sets, codec, { rows: 17, columns: columnCounts.at(-1)!, seed: 77 });
  const ends = [precisions[0]!, precisions.at(-1)!];
  for (const tokens of counts)
    await compareLinear(sets, { weights: [weight], precisions: ends, tokens }, "token counts");
}

const isAbsent = ({ candidate }: KernelSets, codec: WeightCodec): boolean =>
  (candidate.capabilities.codecs[codec] ?? []).length === 0;

/** A codec that a set does not claim must be refused, not computed wrongly. */
async function refuseAbsent({ candidate }: KernelSets, codec: WeightCodec): Promise<void> {
  const weight = createRandomLinearWeight({ codec, rows: 8, columns: 32, seedBits: 4 });
  const names = ["UnsupportedError", "InvalidArgumentError"];
  await expectRefusal(() => candidate.prepareLinear(weight), names, `a ${codec} weight, which the set does not claim`);
}

const nestedChecks = NESTED_CODECS.flatMap((codec): KernelCheck[] => [
  {
    name: `multiplies ${codec} weights of odd shapes at every precision`,
    check: async (sets) => (isAbsent(sets, codec) ? refuseAbsent(sets, codec) : compareShapes(sets, codec, COLUMNS)),
  },
  {
    name: `multiplies ${codec} weights whose columns are no multiple of 8`,
    feature: "odd-columns",
    check: async (sets) =>
      isAbsent(sets, codec) ? refuseAbsent(sets, codec) : compareShapes(sets, codec, ODD_COLUMNS),
  },
  {
    name: `multiplies ${codec} weights that hold a single precision`,
    async check(sets) {
      for (const bits of nestedPrecisions(sets.candidate, codec)) {
        const shape = { codec, rows: 9, columns: 72, groupSize: 24, seedBits: bits, bits, seed: bits };
        const weight = createRandomLinearWeight({ ...shape, offsets: bits % 2 === 0 });
        await compareLinear(sets, { weights: [weight], precisions: [bits], tokens: 3 }, "single precision");
      }
    },
  },
  {
    name: `multiplies ${codec} weights and activations of extreme size`,
    async check(sets) {
      if (isAbsent(sets, codec)) return refuseAbsent(sets, codec);
      for (const [index, [kind, inputKind]] of EXTREMES.entries()) {
        const shape = { rows: 19, columns: 96, groupSize: 32, seed: index, kind };
        const { weight, precisions } = widestWeight(sets, codec, shape);
        await compareLinear(sets, { weights: [weight], precisions, tokens: 2, inputKind }, `${kind} × ${inputKind}`);
      }
    },
  },
]);

/** `linear`: every codec, precision and shape against the reference, then what must be refused. */
export const linearChecks: readonly KernelCheck[] = [
  ...nestedChecks,
  {
    name: "multiplies bcq weights in groups of fewer than 8 columns",
    feature: "small-groups",
    async check(sets) {
      if (isAbsent(sets, "bcq")) return refuseAbsent(sets, "bcq");
      for (const groupSize of [1, 3, 4, 6]) {
        const { weight, precisions } = widestWeight(sets, "bcq", { rows: 5, columns: 48, groupSize, seed: groupSize });
        await compareLinear(sets, { weights: [weight], precisions, tokens: 2 }, `groups of ${groupSize}`);
      }
    },
  },
  {
    name: "multiplies codebook weights with several tables per row",
    feature: "table-groups",
    async check(sets) {
      if (isAbsent(sets, "codebook")) return refuseAbsent(sets, "codebook");
      const shapes = [
        [16, 2],
        [72, 3],
        [576, 2],
        [576, 72],
      ] as const;
      for (const [seed, [columns, groupCount]] of shapes.entries()) {
        for (const sparse of [undefined, 0.1]) {
          const apart = sparse === undefined ? {} : { sparse };
          const shape = { rows: 19, columns, seed };
          const { weight, precisions } = widestWeight(sets, "codebook", { ...shape, groupCount, ...apart });
          // A weight without groups beside it wants the same input in another form.
          const plain = widestWeight(sets, "codebook", shape).weight;
          for (const tokens of [1, 3]) {
            if (tokens > sets.candidate.capabilities.maximumTokens) continue;
            const call = { weights: [plain, weight, plain], precisions, tokens };
            await compareLinear(sets, call, `${groupCount} groups of ${columns / groupCount} columns`);
          }
        }
      }
      const good = widestWeight(sets, "codebook", { rows: 4, columns: 48, groupCount: 2 }).weight as CodebookWeight;
      for (const groupCount of [0, 1.5, 5, 4, 3]) {
        const bad = { ...good, groupCount };
        await expectRefusal(() => sets.candidate.prepareLinear(bad), ["InvalidArgumentError"], `${groupCount} groups`);
      }
    },
  },
  {
    name: "multiplies codebook weights with outliers that replace what the tables say",
    feature: "outliers",
    async check(sets) {
      if (isAbsent(sets, "codebook")) return refuseAbsent(sets, "codebook");
      for (const [seed, columns] of COLUMNS.entries()) {
        for (const sparse of [0.01, 0.5, 1]) {
          const { weight, precisions } = widestWeight(sets, "codebook", { rows: 19, columns, seed, sparse });
          for (const tokens of [1, 3]) {
            if (tokens > sets.candidate.capabilities.maximumTokens) continue;
            await compareLinear(sets, { weights: [weight], precisions, tokens, biases: [true] }, "outliers");
          }
        }
      }
      const { weight: whole } = widestWeight(sets, "codebook", { rows: 4, columns: 64, sparse: 0.1 });
      const { outliers, ...rest } = whole as CodebookWeight;
      const { starts, columns, values } = outliers!;
      const changed = <T extends Uint16Array | Uint32Array>(array: T, index: number, value: number): T => {
        const copy = array.slice() as T;
        copy[index] = value;
        return copy;
      };
      const wrong: Record<string, SparseOutliers> = {
        "a column outside the weight": { starts, columns: changed(columns, 0, 64), values },
        "a column twice": { starts, columns: changed(columns, 1, columns[0]!), values },
        "rows that do not begin at 0": { starts: changed(starts, 0, 1), columns, values },
        "a row that ends before it begins": { starts: changed(starts, 2, 0xffffffff), columns, values },
        "fewer values than columns": { starts, columns, values: values.slice(1) },
      };
      for (const [what, bad] of Object.entries(wrong)) {
        const weight: CodebookWeight = { ...rest, outliers: bad };
        await expectRefusal(() => sets.candidate.prepareLinear(weight), ["InvalidArgumentError"], `outliers: ${what}`);
      }
    },
  },
  {
    name: "multiplies dense weights of every type",
    async check(sets) {
      if (isAbsent(sets, "dense")) return refuseAbsent(sets, "dense");
      for (const type of DENSE_TYPES)
        for (const [index, columns] of [...COLUMNS, ...ODD_COLUMNS].entries()) {
          const weight = createRandomLinearWeight({
            codec: "dense",
            type,
            rows: ROWS[index % 4]!,
            columns,
            seed: index,
          });
          for (const tokens of tokenCounts(sets))
            await compareLinear(sets, { weights: [weight], precisions: [16, 3], tokens }, type);
        }
    },
  },
  {
    name: "multiplies weights with many rows, as spread over threads",
    async check(sets) {
      for (const codec of [...NESTED_CODECS, "dense"] as const) {
        if (isAbsent(sets, codec)) continue;
        const { weight, precisions } = widestWeight(sets, codec, {
          rows: MANY_ROWS,
          columns: 40,
          groupSize: 8,
          seed: 5,
        });
        for (const tokens of [1, 5])
          await compareLinear(sets, { weights: [weight], precisions: [precisions.at(-1)!], tokens }, "many rows");
      }
    },
  },
  {
    name: "multiplies several weights of different codecs with one input, some with biases",
    async check(sets) {
      const codecs = [...NESTED_CODECS, "dense" as const].filter((codec) => !isAbsent(sets, codec));
      const offered = codecs.map((codec) => widestWeight(sets, codec, { rows: 24, columns: 64, seed: 2 }));
      const nested = offered.filter(({ weight }) => weight.codec !== "dense").map(({ precisions }) => precisions);
      const shared = (nested[0] ?? [32]).filter((bits) => nested.every((precisions) => precisions.includes(bits)));
      expectThat(shared.length > 0, "No precision is shared by all nested codecs.");
      const weights = codecs.map((codec, index) => widestWeight(sets, codec, { rows: 7 + index, columns: 64 }).weight);
      const biases = weights.map((_, index) => index % 2 === 0);
      await compareLinear(sets, { weights, precisions: shared, tokens: 5, biases }, "several weights");
      const first = { weights: [weights[0]!], precisions: [shared[0]!], tokens: 1 };
      await compareLinear(sets, { ...first, biases: [true] }, "one weight with a bias");
    },
  },
  {
    name: "gives the same bits for the same input, in another set too",
    async check(sets) {
      const another = await sets.createAnother();
      for (const codec of [...NESTED_CODECS, "dense"] as const) {
        if (isAbsent(sets, codec)) continue;
        const { weight, precisions } = widestWeight(sets, codec, { rows: MANY_ROWS, columns: 96, groupSize: 32 });
        for (const tokens of [1, 4]) {
          const run = (kernels: KernelSets["candidate"]) =>
            withScratch(kernels, async (scratch) => {
              const prepared = await scratch.weight(weight);
              const input = scratch.buffer(randomInput(tokens * 96, 3));
              const output = scratch.empty(tokens * MANY_ROWS);
              kernels.linear({ weights: [prepared], precision: precisions.at(-1)!, input, outputs: [output], tokens });
              return [...(await kernels.read(output))];
            });
          const first = await run(sets.candidate);
          expectEqual(await run(sets.candidate), first, `${codec}, run again`);
          expectEqual(await run(another), first, `${codec}, in another set`);
        }
      }
      await another[Symbol.asyncDispose]();
    },
  },
  {
    name: "refuses calls of linear whose shapes do not fit",
    async check({ candidate }) {
      await withScratch(candidate, async (scratch) => {
        const weight = await scratch.weight(createRandomLinearWeight({ codec: "dense", rows: 3, columns: 8 }));
        const wider = await scratch.weight(createRandomLinearWeight({ codec: "dense", rows: 3, columns: 16 }));
        const memory = scratch.empty(64);
        const input = candidate.view(memory, 0, 16);
        const output = candidate.view(memory, 16, 6);
        const call = { weights: [weight], precision: 32, input, outputs: [output], tokens: 2 };
        candidate.linear(call);
        const tooMany = candidate.capabilities.maximumTokens + 1;
        const wrong = {
          "a short input": { ...call, input: candidate.view(memory, 0, 15) },
          "a short output": { ...call, outputs: [candidate.view(memory, 16, 5)] },
          "a short bias": { ...call, biases: [candidate.view(memory, 32, 2)] },
          "too few outputs": { ...call, outputs: [] },
          "no weights": { ...call, weights: [], outputs: [] },
          "different columns": { ...call, weights: [weight, wider], outputs: [output, candidate.view(memory, 32, 6)] },
          "no tokens": { ...call, tokens: 0 },
          "half a token": { ...call, tokens: 1.5 },
          "more tokens than the buffers hold": { ...call, tokens: tooMany },
          "an output inside the input": { ...call, outputs: [candidate.view(memory, 8, 6)] },
        };
        for (const [what, bad] of Object.entries(wrong))
          await expectRefusal(() => candidate.linear(bad), ["InvalidArgumentError"], what);
      });
    },
  },
];
