import type { CodebookWeight, LinearWeight, PreparedLinear, UniformWeight } from "@stepdown/core";
import { expectEqual, expectRefusal, expectThat } from "../checks/expectations.js";
import { createRandomLinearWeight } from "../random-linear-weight.js";
import { expectNear, type KernelCheck, type KernelSets, onBoth, withScratch } from "./scratch.js";
import {
  COLUMNS,
  consecutive,
  largestPerRow,
  NESTED_CODECS,
  nestedPrecisions,
  ODD_COLUMNS,
  randomInput,
} from "./shapes.js";
import { EMBED_TOLERANCE, NEGLIGIBLE } from "./tolerances.js";

const REFUSED = ["InvalidArgumentError"] as const;
/** Rounds and rows of the reuse check: 275 weights of 16 MB, just more than a 32-bit memory holds. */
const REUSE_ROUNDS = 275;
const REUSE_ROWS = 4000;

/** A nested weight in the middle of what a set claims, so that precisions below and above it can be asked for. */
function someNestedWeight({ candidate }: KernelSets): LinearWeight {
  const codec = NESTED_CODECS.find((name) => nestedPrecisions(candidate, name).length > 0);
  if (codec === undefined) return createRandomLinearWeight({ codec: "dense", rows: 4, columns: 16 });
  const precisions = consecutive(nestedPrecisions(candidate, codec));
  const seedBits = precisions[Math.min(1, precisions.length - 1)]!;
  const bits = precisions[Math.min(2, precisions.length - 1)]!;
  return createRandomLinearWeight({ codec, rows: 4, columns: 16, seedBits, bits });
}

async function compareEmbedding(sets: KernelSets, table: LinearWeight, precision: number, seed: number): Promise<void> {
  const { rows, columns } = table;
  const ids = Array.from(randomInput(6, seed), (value) => Math.floor(((value + 1) / 2) * rows));
  ids.push(0, rows - 1, rows - 1);
  const { actual, expected } = await onBoth(sets, async (scratch) => {
    const prepared = await scratch.weight(table);
    const output = scratch.empty(ids.length * columns);
    scratch.kernels.embed({ table: prepared, precision, ids, output });
    return scratch.kernels.read(output);
  });
  const largest = largestPerRow(expected, columns);
  const unit = EMBED_TOLERANCE * sets.toleranceFactor;
  const allowed = (index: number) => largest[Math.floor(index / columns)]! * unit + NEGLIGIBLE;
  expectNear(actual, expected, allowed, `embed from ${table.codec} ${rows} × ${columns} at ${precision} bits`);
}

/** Prepared weights: what they say of themselves, who may use them, and single rows of them. */
export const weightChecks: readonly KernelCheck[] = [
  {
    name: "describes prepared weights as the reference does",
    async check(sets) {
      for (const codec of NESTED_CODECS) {
        const claimed = nestedPrecisions(sets.candidate, codec);
        for (const bits of claimed) {
          const seedBits = claimed.includes(bits - 1) ? bits - 1 : bits;
          const weight = createRandomLinearWeight({ codec, rows: 3, columns: 16, seedBits, bits });
          const { actual, expected } = await onBoth(sets, async (scratch) => {
            const { rows, columns, codec: kind, precisions, bytes } = await scratch.weight(weight);
            return {
              facts: [rows, columns, kind, precisions.filter((precision) => claimed.includes(precision))],
              bytes,
            };
          });
          expectEqual(actual.facts, expected.facts, `rows, columns, codec and precisions of a ${codec} weight`);
          // Planes cannot take less than a bit per weight, whatever the layout.
          expectThat(actual.bytes >= (3 * 16 * bits) / 8, `${actual.bytes} bytes cannot hold a ${bits}-bit weight.`);
        }
      }
      const dense = createRandomLinearWeight({ codec: "dense", rows: 3, columns: 16 });
      if (sets.candidate.capabilities.codecs.dense)
        expectEqual((await sets.candidate.prepareLinear(dense)).precisions, [], "precisions of a dense weight");
    },
  },
  {
    name: "keeps a prepared weight as it was when the caller changes the arrays",
    async check(sets) {
      const weight = someNestedWeight(sets);
      const read = (table: PreparedLinear) =>
        withScratch(sets.candidate, async (scratch) => {
          const output = scratch.empty(16);
          sets.candidate.embed({ table, precision: "bits" in weight ? weight.bits : 32, ids: [1], output });
          return [...(await sets.candidate.read(output))];
        });
      const prepared = await sets.candidate.prepareLinear(weight);
      const before = await read(prepared);
      if (weight.codec !== "dense") for (const plane of weight.planes) plane.fill(0b01010101);
      else weight.data.fill(0);
      expectEqual(await read(prepared), before, "values after the caller's arrays changed");
      sets.candidate.freeLinear(prepared);
    },
  },
  {
    name: "refuses precisions that a weight does not hold",
    async check(sets) {
      const weight = someNestedWeight(sets);
      if (weight.codec === "dense") return;
      await withScratch(sets.candidate, async (scratch) => {
        const { kernels } = scratch;
        const prepared = await scratch.weight(weight);
        const call = { weights: [prepared], input: scratch.empty(16), outputs: [scratch.empty(4)], tokens: 1 };
        const held = prepared.precisions;
        for (const precision of [0, held[0]! - 1, held.at(-1)! + 1, 16, 2.5, Number.NaN]) {
          const names = ["PrecisionUnavailableError", "InvalidArgumentError"];
          await expectRefusal(() => kernels.linear({ ...call, precision }), names, `linear at precision ${precision}`);
          const embed = { table: prepared, precision, ids: [0], output: call.input };
          await expectRefusal(() => kernels.embed(embed), names, `embed at precision ${precision}`);
        }
        const above = () => kernels.linear({ ...call, precision: held.at(-1)! + 1 });
        await expectRefusal(above, ["PrecisionUnavailableError"], "linear one precision above");
      });
    },
  },
  {
    name: "refuses weights whose arrays do not fit their shape",
    async check({ candidate }) {
      const claims = (codec: LinearWeight["codec"]) => (candidate.capabilities.codecs[codec] ?? []).includes(4);
      const shape = { rows: 4, columns: 16, seedBits: 4, bits: 4 };
      const wrong: Record<string, LinearWeight> = {};
      if (claims("codebook")) {
        const good = createRandomLinearWeight({ codec: "codebook", ...shape }) as CodebookWeight;
        wrong["a plane too few"] = { ...good, planes: good.planes.slice(1) };
        wrong["a short plane"] = { ...good, planes: [...good.planes.slice(1), new Uint8Array(7)] };
        wrong["a missing table"] = { ...good, tables: new Map() };
        wrong["a short table"] = { ...good, tables: new Map([[4, new Uint16Array(63)]]) };
        wrong["more rows than planes"] = { ...good, rows: 5 };
        wrong["a broken row count"] = { ...good, rows: 3.5 };
        wrong["a negative column count"] = { ...good, columns: -16 };
      }
      if (claims("uniform")) {
        const good = createRandomLinearWeight({ codec: "uniform", ...shape }) as UniformWeight;
        wrong["too few scales"] = { ...good, scales: new Float32Array(3) };
      }
      if (claims("bcq")) {
        const good = createRandomLinearWeight({ codec: "bcq", ...shape, groupSize: 8 });
        wrong["groups that do not divide the columns"] = { ...good, groupSize: 7 } as LinearWeight;
        wrong["more groups than scales"] = { ...good, groupSize: 4 } as LinearWeight;
      }
      const dense = createRandomLinearWeight({ codec: "dense", rows: 4, columns: 16 });
      wrong["too few numbers"] = { ...dense, rows: 5 };
      for (const [what, weight] of Object.entries(wrong))
        await expectRefusal(() => candidate.prepareLinear(weight), REFUSED, what);
    },
  },
  {
    name: "refuses freed weights, weights of another set and an aborted signal",
    async check(sets) {
      const { candidate } = sets;
      const weight = someNestedWeight(sets);
      const precision = "bits" in weight ? weight.bits : 32;
      const other = await sets.createAnother();
      const freed = await candidate.prepareLinear(weight);
      candidate.freeLinear(freed);
      const foreign = await other.prepareLinear(weight);
      await withScratch(candidate, async (scratch) => {
        const call = { precision, input: scratch.empty(16), outputs: [scratch.empty(4)], tokens: 1 };
        for (const bad of [freed, foreign, { ...foreign }]) {
          await expectRefusal(() => candidate.linear({ ...call, weights: [bad] }), REFUSED, "linear with a bad weight");
          const embed = { table: bad, precision, ids: [0], output: call.input };
          await expectRefusal(() => candidate.embed(embed), REFUSED, "embed from a bad weight");
          await expectRefusal(() => candidate.freeLinear(bad), REFUSED, "freeing a bad weight");
        }
      });
      await other[Symbol.asyncDispose]();
      const reason = new Error("stop");
      const outcome = await candidate
        .prepareLinear(weight, { signal: AbortSignal.abort(reason) })
        .catch((error) => error);
      expectThat(outcome === reason, "An aborted prepareLinear must reject with the signal's reason.");
    },
  },
  {
    name: "gives the memory of freed weights out again",
    feature: "memory-reuse",
    async check({ candidate }) {
      if (!candidate.capabilities.codecs.dense) return;
      const weight = createRandomLinearWeight({ codec: "dense", rows: REUSE_ROWS, columns: 1000 });
      for (let round = 0; round < REUSE_ROUNDS; round++) candidate.freeLinear(await candidate.prepareLinear(weight));
    },
  },
  {
    name: "embeds rows of every codec at every precision",
    async check(sets) {
      for (const codec of NESTED_CODECS) {
        const precisions = consecutive(nestedPrecisions(sets.candidate, codec));
        if (precisions.length === 0) continue;
        const range = { seedBits: precisions[0]!, bits: precisions.at(-1)! };
        for (const [seed, columns] of COLUMNS.entries()) {
          const groupSize = columns % 16 === 0 ? 16 : 8;
          const table = createRandomLinearWeight({ codec, rows: 50, columns, groupSize, ...range, seed });
          for (const precision of precisions) await compareEmbedding(sets, table, precision, seed);
        }
      }
      for (const type of ["f32", "f16", "bf16"] as const)
        for (const columns of COLUMNS)
          if (sets.candidate.capabilities.codecs.dense)
            await compareEmbedding(sets, createRandomLinearWeight({ codec: "dense", type, rows: 50, columns }), 16, 1);
    },
  },
  {
    name: "embeds rows whose columns are no multiple of 8",
    feature: "odd-columns",
    async check(sets) {
      for (const codec of NESTED_CODECS) {
        const bits = nestedPrecisions(sets.candidate, codec)[0];
        for (const [seed, columns] of ODD_COLUMNS.entries())
          if (bits !== undefined) {
            const table = createRandomLinearWeight({ codec, rows: 5, columns, seedBits: bits, bits, seed });
            await compareEmbedding(sets, table, bits, seed);
          }
      }
    },
  },
  {
    name: "refuses to embed ids outside the table and into buffers that are too short",
    async check(sets) {
      const weight = someNestedWeight(sets);
      await withScratch(sets.candidate, async (scratch) => {
        const table = await scratch.weight(weight);
        const call = { table, precision: "bits" in weight ? weight.bits : 32, output: scratch.empty(32) };
        for (const ids of [[-1], [4], [0, 1, 2], [0.5], [Number.NaN], [2 ** 32], []])
          await expectRefusal(() => sets.candidate.embed({ ...call, ids }), REFUSED, `embed of [${ids}]`);
      });
    },
  },
];
