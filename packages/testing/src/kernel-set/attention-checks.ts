import type { CacheType, KernelSet, KeyValueCache, KeyValues } from "@stepdown/core";
import { expectEqual, expectRefusal } from "../checks/expectations.js";
import { expectNear, type KernelCheck, type KernelSets, onBoth, type Scratch, withScratch } from "./scratch.js";
import { randomInput } from "./shapes.js";
import { ATTENTION_SCORE_TOLERANCE, ATTENTION_TOLERANCE, BYTE_CACHE_FACTOR, NEGLIGIBLE } from "./tolerances.js";

const REFUSED = ["InvalidArgumentError"] as const;
/** Heads, key-value heads, head dimension. */
const HEADS = [
  [1, 1, 8],
  [4, 2, 16],
  [9, 3, 64],
  [6, 1, 20],
  [2, 2, 6],
  [8, 4, 80],
] as const;

interface AttentionCase {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDimension: number;
  /** Tokens per call, one after another. */
  readonly chunks: readonly number[];
  readonly type: CacheType;
  readonly window?: number;
  /** Factor on queries, to make scores large. Default 1. */
  readonly queryFactor?: number;
  readonly capacity?: number;
  /** Position from which on attention is computed; earlier chunks are only stored. Default 0. */
  readonly attendFrom?: number;
}

/** Numbers of one position, the same however the positions are chunked. */
function positionsOf(from: number, count: number, width: number, seed: number): Float32Array {
  const values = new Float32Array(count * width);
  for (let index = 0; index < count; index++) values.set(randomInput(width, seed + 13 * (from + index)), index * width);
  return values;
}

function store(
  scratch: Scratch,
  cache: KeyValueCache,
  block: number,
  position: number,
  tokens: number,
  seed = 0,
): void {
  const width = cache.shape.keyValueHeads * cache.shape.headDimension;
  const keys = scratch.buffer(positionsOf(position, tokens, width, seed + 1));
  const values = scratch.buffer(positionsOf(position, tokens, width, seed + 500009));
  scratch.kernels.storeKeyValues({ cache, block, keys, values, tokens, position });
}

/** Stores and attends chunk by chunk in block 1 of 2; all outputs one after another. */
async function runAttention(scratch: Scratch, attention: AttentionCase): Promise<Float32Array> {
  const { heads, keyValueHeads, headDimension, chunks, type, window, queryFactor = 1 } = attention;
  const { kernels } = scratch;
  const total = chunks.reduce((sum, tokens) => sum + tokens, 0);
  const capacity = attention.capacity ?? total;
  const cache = scratch.cache({ blocks: 2, keyValueHeads, headDimension, capacity, type });
  const result = new Float32Array(total * heads * headDimension);
  let position = 0;
  for (const tokens of chunks) {
    store(scratch, cache, 0, position, tokens, 77);
    store(scratch, cache, 1, position, tokens);
    if (position < (attention.attendFrom ?? 0)) {
      position += tokens;
      continue;
    }
    const queries = positionsOf(position, tokens, heads * headDimension, 900001).map((value) => value * queryFactor);
    const output = scratch.empty(queries.length);
    const scale = 1 / Math.sqrt(headDimension);
    const call = { cache, block: 1, queries: scratch.buffer(queries), output, tokens, heads, position, scale };
    kernels.attend(window === undefined ? call : { ...call, window });
    result.set(await kernels.read(output), position * heads * headDimension);
    position += tokens;
  }
  return result;
}

async function compareAttention(sets: KernelSets, attention: AttentionCase, what: string): Promise<void> {
  const { actual, expected } = await onBoth(sets, (scratch) => runAttention(scratch, attention));
  // All numbers lie in [−1, 1): no value exceeds 1, no score sqrt(headDimension) times the factor on queries.
  const largestScore = Math.sqrt(attention.headDimension) * (attention.queryFactor ?? 1);
  const narrow = attention.type === "i8" ? BYTE_CACHE_FACTOR : 1;
  const unit = narrow * (ATTENTION_TOLERANCE + ATTENTION_SCORE_TOLERANCE * largestScore);
  expectNear(actual, expected, () => unit * sets.toleranceFactor + NEGLIGIBLE, what);
}

const cacheTypes = ({ capabilities }: KernelSet): readonly CacheType[] => capabilities.cacheTypes;
const largestChunk = ({ candidate }: KernelSets) => Math.min(64, candidate.capabilities.maximumTokens);

const plain = (values: KeyValues): unknown => ({ ...values, keys: [...values.keys], values: [...values.values] });

/** Caches and attention. */
export const attentionChecks: readonly KernelCheck[] = [
  {
    name: "attends causally over grouped heads, token by token and in chunks, in every cache type",
    async check(sets) {
      for (const type of cacheTypes(sets.candidate))
        for (const [heads, keyValueHeads, headDimension] of HEADS)
          for (const chunks of [
            [1, 1, 1],
            [5, 1, 2],
            [Math.min(17, largestChunk(sets)), 1],
          ]) {
            const attention = { heads, keyValueHeads, headDimension, chunks, type };
            await compareAttention(sets, attention, `${type} attention of ${JSON.stringify(attention)}`);
          }
    },
  },
  {
    name: "attends over a window that begins before, inside and at the newest token",
    async check(sets) {
      for (const type of cacheTypes(sets.candidate))
        for (const window of [1, 2, 7, 16, 100]) {
          const shape = { heads: 4, keyValueHeads: 2, headDimension: 16, chunks: [9, 1, 1, 8], type, window };
          await compareAttention(sets, shape, `${type} attention, window ${window}`);
        }
    },
  },
  {
    name: "subtracts the largest score before the exponential",
    async check(sets) {
      for (const type of cacheTypes(sets.candidate)) {
        const shape = { heads: 2, keyValueHeads: 1, headDimension: 64, chunks: [12, 1], type, queryFactor: 300 };
        await compareAttention(sets, shape, `${type} attention with scores of hundreds`);
      }
    },
  },
  {
    name: "grows a cache to its capacity and keeps what was stored",
    async check(sets) {
      const chunk = largestChunk(sets);
      const chunks = Array.from({ length: Math.ceil(700 / chunk) }, () => chunk);
      for (const type of cacheTypes(sets.candidate)) {
        const shape = { heads: 2, keyValueHeads: 1, headDimension: 8, chunks: [...chunks, 2], type, attendFrom: 600 };
        await compareAttention(sets, shape, `${type} attention over ${chunks.length * chunk} positions`);
        // Room for much more than is used must not cost the memory of it: 64 GB here.
        const roomy = { ...shape, chunks: [3, 1], capacity: 2 ** 30, attendFrom: 0 };
        await compareAttention(sets, roomy, `${type} attention in a roomy cache`);
      }
    },
  },
  {
    name: "reads keys and values back head by head, as stored or rounded like the reference",
    async check(sets) {
      for (const type of cacheTypes(sets.candidate)) {
        const { actual, expected } = await onBoth(sets, async (scratch) => {
          const cache = scratch.cache({ blocks: 3, keyValueHeads: 3, headDimension: 10, capacity: 40, type });
          for (const block of [2, 0]) {
            store(scratch, cache, block, 0, 13, block);
            store(scratch, cache, block, 13, 1, block);
          }
          const read = (block: number, from: number, to: number) =>
            scratch.kernels.readKeyValues(cache, block, from, to);
          return [await read(2, 0, 14), await read(0, 5, 9), await read(0, 13, 14), await read(2, 3, 3)].map(plain);
        });
        expectEqual(actual, expected, `keys and values of a ${type} cache`);
      }
    },
  },
  {
    name: "forgets positions that are written over, and keeps two caches apart",
    async check(sets) {
      for (const type of cacheTypes(sets.candidate)) {
        const { actual, expected } = await onBoth(sets, async (scratch) => {
          const shape = { blocks: 1, keyValueHeads: 2, headDimension: 8, capacity: 20, type };
          const [one, other] = [scratch.cache(shape), scratch.cache(shape)];
          store(scratch, one, 0, 0, 10);
          store(scratch, other, 0, 0, 10, 3);
          store(scratch, one, 0, 4, 3, 9);
          const output = scratch.empty(16);
          const queries = scratch.buffer(randomInput(16, 2));
          const call = { block: 0, queries, output, tokens: 1, heads: 2, position: 6, scale: 0.5 };
          const results = [];
          for (const cache of [one, other]) {
            scratch.kernels.attend({ ...call, cache });
            results.push(await scratch.kernels.read(output));
          }
          return results;
        });
        for (const index of [0, 1])
          expectNear(
            actual[index]!,
            expected[index]!,
            () => ATTENTION_TOLERANCE * sets.toleranceFactor * (type === "i8" ? BYTE_CACHE_FACTOR : 1),
            "rewritten cache",
          );
      }
    },
  },
  {
    name: "fills in the shape of a cache and refuses impossible ones",
    async check({ candidate }) {
      const shape = { blocks: 1, keyValueHeads: 1, headDimension: 8, capacity: 4 };
      const cache = candidate.createKeyValueCache(shape);
      expectEqual({ ...cache.shape }.type, "f32", "default type of a cache");
      candidate.freeKeyValueCache(cache);
      for (const wrong of [{ blocks: 0 }, { capacity: -1 }, { headDimension: 1.5 }, { type: "f8" as CacheType }]) {
        const create = () => candidate.createKeyValueCache({ ...shape, ...wrong });
        await expectRefusal(create, ["InvalidArgumentError", "UnsupportedError"], JSON.stringify(wrong));
      }
    },
  },
  {
    name: "refuses positions, blocks and heads that do not fit, freed caches and caches of another set",
    async check({ candidate, createAnother }) {
      const other = await createAnother();
      const shape = { blocks: 2, keyValueHeads: 2, headDimension: 4, capacity: 6 };
      await withScratch(candidate, async (scratch) => {
        const cache = scratch.cache(shape);
        const eight = scratch.empty(8);
        const sixteen = scratch.empty(16);
        const storing = { cache, block: 0, keys: sixteen, values: sixteen, tokens: 2, position: 4 };
        for (let position = 0; position < 6; position += 2) candidate.storeKeyValues({ ...storing, position });
        const attending = { cache, block: 0, queries: sixteen, output: sixteen, tokens: 2, position: 4, scale: 0.5 };
        const attend = { ...attending, heads: 2 };
        const freed = candidate.createKeyValueCache(shape);
        candidate.freeKeyValueCache(freed);
        const strangers = [freed, other.createKeyValueCache(shape), { shape: cache.shape }];
        const calls: Record<string, () => unknown> = {
          "storing beyond the capacity": () => candidate.storeKeyValues({ ...storing, position: 5 }),
          "storing at a negative position": () => candidate.storeKeyValues({ ...storing, position: -1 }),
          "storing in a block too many": () => candidate.storeKeyValues({ ...storing, block: 2 }),
          "storing from short keys": () => candidate.storeKeyValues({ ...storing, keys: eight }),
          "storing from short values": () => candidate.storeKeyValues({ ...storing, values: eight }),
          "attending beyond the capacity": () => candidate.attend({ ...attend, position: 5 }),
          "attending in a block too many": () => candidate.attend({ ...attend, block: 2 }),
          "attending with short queries": () => candidate.attend({ ...attend, queries: eight }),
          "attending into a short output": () => candidate.attend({ ...attend, output: eight }),
          "attending with heads that do not share evenly": () => candidate.attend({ ...attend, heads: 3, tokens: 1 }),
          "attending without a window": () => candidate.attend({ ...attend, window: 0 }),
          "reading beyond the capacity": () => candidate.readKeyValues(cache, 0, 0, 7),
          "reading backwards": () => candidate.readKeyValues(cache, 0, 3, 2),
          "reading a block too many": () => candidate.readKeyValues(cache, 2, 0, 1),
        };
        for (const [what, call] of Object.entries(calls)) await expectRefusal(call, REFUSED, what);
        for (const stranger of strangers) {
          const bad = { cache: stranger };
          await expectRefusal(() => candidate.storeKeyValues({ ...storing, ...bad }), REFUSED, "storing in a stranger");
          await expectRefusal(() => candidate.attend({ ...attend, ...bad }), REFUSED, "attending over a stranger");
          await expectRefusal(() => candidate.readKeyValues(stranger, 0, 0, 1), REFUSED, "reading a stranger");
          await expectRefusal(() => candidate.freeKeyValueCache(stranger), REFUSED, "freeing a stranger");
        }
      });
      await other[Symbol.asyncDispose]();
    },
  },
];
