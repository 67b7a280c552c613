import type { FloatBuffer } from "@stepdown/core";
import { expectEqual, expectRefusal } from "../checks/expectations.js";
import { type KernelCheck, withScratch } from "./scratch.js";

const REFUSED = ["InvalidArgumentError"] as const;
/** Rounds and numbers of the reuse check: 4.8 GB in all, more than a 32-bit memory holds, 16 MB at a time. */
const REUSE_ROUNDS = 300;
const REUSE_LENGTH = 4_000_000;

/** Buffers: what is written comes back, nothing outside is touched, nobody else's memory is used. */
export const bufferChecks: readonly KernelCheck[] = [
  {
    name: "allocates zeros, writes and reads parts, gives out copies",
    async check({ candidate }) {
      await withScratch(candidate, async (scratch) => {
        const buffer = scratch.empty(7);
        expectEqual([...(await candidate.read(buffer))], [0, 0, 0, 0, 0, 0, 0], "a new buffer");
        candidate.write(buffer, Float32Array.of(1, 2, 3), 4);
        candidate.write(buffer, Float32Array.of(9));
        expectEqual([...(await candidate.read(buffer))], [9, 0, 0, 0, 1, 2, 3], "after two writes");
        expectEqual([...(await candidate.read(buffer, 4))], [1, 2, 3], "read from an offset");
        const part = await candidate.read(buffer, 3, 2);
        expectEqual([...part], [0, 1], "read of a part");
        part.fill(77);
        expectEqual([...(await candidate.read(buffer, 3, 2))], [0, 1], "after changing a copy");
        expectEqual(buffer.length, 7, "length");
      });
    },
  },
  {
    name: "keeps every float32 pattern: infinities, denormals, negative zero, NaN",
    async check({ candidate }) {
      await withScratch(candidate, async (scratch) => {
        const values = Float32Array.of(Infinity, -Infinity, 1e-45, -1e-40, -0, Number.NaN, 3.4028234663852886e38);
        const read = await candidate.read(scratch.buffer(values));
        const differing = [...values].filter((value, index) => !Object.is(value, read[index]));
        expectEqual(differing, [], "patterns that changed");
      });
    },
  },
  {
    name: "makes views, and views of views, that share memory and die with their parent",
    async check({ candidate }) {
      const buffer = candidate.allocate(8);
      const view = candidate.view(buffer, 2, 5);
      const inner = candidate.view(view, 1, 3);
      candidate.write(inner, Float32Array.of(1, 2, 3));
      expectEqual([...(await candidate.read(buffer))], [0, 0, 0, 1, 2, 3, 0, 0], "written through two views");
      candidate.write(buffer, Float32Array.of(5), 4);
      expectEqual([...(await candidate.read(inner))], [1, 5, 3], "read through two views");
      expectEqual([view.length, inner.length], [5, 3], "lengths of views");
      await expectRefusal(() => candidate.view(inner, 1, 3), REFUSED, "a view beyond its view");
      await expectRefusal(() => candidate.free(view), REFUSED, "freeing a view");
      candidate.free(buffer);
      await expectRefusal(() => candidate.write(inner, Float32Array.of(1)), REFUSED, "a view of a freed buffer");
    },
  },
  {
    name: "refuses parts outside a buffer and impossible lengths",
    async check({ candidate }) {
      await withScratch(candidate, async (scratch) => {
        const buffer = scratch.empty(4);
        for (const length of [-1, 1.5, Number.NaN])
          await expectRefusal(() => candidate.allocate(length), REFUSED, `allocate(${length})`);
        for (const [offset, length] of [
          [0, 5],
          [4, 1],
          [-1, 2],
          [0.5, 1],
          [2, Number.NaN],
          [Number.MAX_SAFE_INTEGER, 4],
        ] as const) {
          await expectRefusal(() => candidate.view(buffer, offset, length), REFUSED, `view at ${offset} of ${length}`);
          await expectRefusal(() => candidate.read(buffer, offset, length), REFUSED, `read at ${offset} of ${length}`);
        }
        for (const offset of [1, -1, 0.5, Number.NaN, 2 ** 32])
          await expectRefusal(
            () => candidate.write(buffer, new Float32Array(4), offset),
            REFUSED,
            `write at ${offset}`,
          );
      });
    },
  },
  {
    name: "refuses freed buffers, buffers of another set and things that are no buffers",
    async check({ candidate, createAnother }) {
      const other = await createAnother();
      const freed = candidate.allocate(4);
      candidate.free(freed);
      const impostor: FloatBuffer = { length: 4 };
      await withScratch(candidate, async (scratch) => {
        const good = scratch.empty(4);
        for (const [bad, what] of [
          [freed, "freed"],
          [other.allocate(4), "foreign"],
          [impostor, "made-up"],
        ] as const) {
          await expectRefusal(() => candidate.free(bad), REFUSED, `free of a ${what} buffer`);
          await expectRefusal(() => candidate.read(bad), REFUSED, `read of a ${what} buffer`);
          await expectRefusal(() => candidate.write(bad, new Float32Array(1)), REFUSED, `write to a ${what} buffer`);
          await expectRefusal(() => candidate.view(bad, 0, 1), REFUSED, `view of a ${what} buffer`);
          await expectRefusal(() => candidate.add(good, bad, 4), REFUSED, `add of a ${what} buffer`);
          await expectRefusal(() => candidate.add(bad, good, 4), REFUSED, `add to a ${what} buffer`);
          await expectRefusal(() => candidate.softmax(bad, 1, 4), REFUSED, `softmax of a ${what} buffer`);
        }
      });
      await other[Symbol.asyncDispose]();
    },
  },
  {
    name: "gives freed memory out again, zeroed",
    feature: "memory-reuse",
    async check({ candidate }) {
      for (let round = 0; round < REUSE_ROUNDS; round++) {
        const buffer = candidate.allocate(REUSE_LENGTH - round);
        candidate.write(buffer, Float32Array.of(round + 1), REUSE_LENGTH - round - 1);
        candidate.free(buffer);
      }
      const last = candidate.allocate(REUSE_LENGTH);
      const sum = (await candidate.read(last)).reduce((total, value) => total + Math.abs(value), 0);
      expectEqual(sum, 0, "sum of a buffer in memory used before");
      candidate.free(last);
    },
  },
];
