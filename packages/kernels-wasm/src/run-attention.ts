/**
 * One attention call as a list of independent parts for the threads: per key-value head and run of tokens, and with few
 * tokens per run of positions, whose results are merged. How a call is divided depends on its shape alone, never on the
 * number of threads, and few tokens are divided like one, so that a token has the same bits in both.
 */
import type { HeldCache } from "./held-cache.js";
import type { KernelExports } from "./kernel-exports.js";
import type { Scratch } from "./scratch.js";
import { MAXIMUM_PARTS } from "./threads/board.js";
import type { ThreadTeam } from "./threads/thread-team.js";

/** Positions per block of the attention kernel; the same number as in `../assembly/attention.ts`. */
const ATTENTION_BLOCK = 64;
/** Query rows that share a block of keys and values: enough to make reading it cheap, few enough to stay in cache. */
const ATTENTION_ROWS = 128;
/** Positions of a run: a multiple of the block, long enough that merging costs little. */
const RUN_POSITIONS = 256;
/** Most tokens whose positions are divided: as many as take the look-ups of one token at every precision. */
const FEW_TOKENS = 10;
/** Multiplications that are worth sharing: about ten microseconds. */
const WORTH_SHARING = 30_000;

/** Checked arguments, addresses in bytes. */
export interface AttentionWork {
  readonly cache: HeldCache;
  readonly block: number;
  readonly queries: number;
  readonly output: number;
  readonly tokens: number;
  readonly heads: number;
  readonly position: number;
  readonly window: number;
  readonly scale: number;
}

const scaleFloat = new Float32Array(1);
const scaleInteger = new Int32Array(scaleFloat.buffer);

/** Attention of all heads; see `KernelSet.attend`. */
export function runAttention(
  { exports, scratch, team }: { exports: KernelExports; scratch: Scratch; team: ThreadTeam },
  { cache, block, queries, output, tokens, heads, position, window, scale }: AttentionWork,
): void {
  const { keyValueHeads, headDimension } = cache.shape;
  const { padded, form } = cache;
  const group = heads / keyValueHeads;
  const tokenBytes = heads * headDimension * 4;
  const isFew = tokens <= FEW_TOKENS;
  const tokensAtOnce = isFew ? tokens : Math.max(1, Math.floor(ATTENTION_ROWS / group));
  const rows = Math.min(tokens, tokensAtOnce) * group;
  // What the file of the kernel lists, with room for both forms of its last parts.
  const numbers = 2 * rows * padded + 2 * rows + 4 * ATTENTION_BLOCK;
  const further = Math.max(2 * ATTENTION_BLOCK * padded, rows + 4 + 2 * ATTENTION_BLOCK + (rows * padded) / 2);
  const partBytes = Math.ceil((numbers + further) / 16) * 64;
  const least = isFew ? Math.max(0, position + 1 - window) : 0;
  const firstRun = least - (least % RUN_POSITIONS);
  const end = position + tokens;
  const runs = isFew ? Math.ceil((end - firstRun) / RUN_POSITIONS) : 1;
  const keep = runs > 1 ? 1 : 0;
  const isShared = team.threads > 1 && heads * headDimension * tokens * (end - least) >= WORTH_SHARING;
  scaleFloat[0] = scale;
  const scaleBits = scaleInteger[0]!;

  // So many parts at a time; those of one head and its runs of positions stay together.
  const headsAtOnce = Math.max(1, Math.floor(MAXIMUM_PARTS / runs));
  const partsHeld = Math.min(MAXIMUM_PARTS, Math.max(runs, keyValueHeads * runs * Math.ceil(tokens / tokensAtOnce)));
  const held = scratch.reserve("attention", Math.max(partsHeld, runs) * partBytes);
  let calls: number[][] = [];
  const flush = (): void => {
    team.run("attend", calls, isShared);
    calls = [];
  };
  for (let head = 0; head < keyValueHeads; head++) {
    const { keys, values, keyScales, valueScales } = cache.head(block, head);
    const first = head * group * headDimension * 4;
    for (let token = 0; token < tokens; token += tokensAtOnce) {
      const count = Math.min(tokensAtOnce, tokens - token);
      const skipped = first + token * tokenBytes;
      for (let run = 0; run < runs; run++) {
        const from = firstRun + run * RUN_POSITIONS;
        calls.push([
          ...[keys, values, keyScales, valueScales, form, headDimension, padded, queries + skipped, output + skipped],
          ...[tokenBytes, count, group, position + token, window, scaleBits, held + calls.length * partBytes, rows],
          ...[keep === 0 ? 0 : from, keep === 0 ? end : Math.min(end, from + RUN_POSITIONS), keep],
        ]);
      }
      if (keep === 0 && calls.length === partsHeld) flush();
    }
    if (keep === 1 && ((head + 1) % headsAtOnce === 0 || head + 1 === keyValueHeads)) {
      const headsHere = calls.length / runs;
      flush();
      for (let index = 0; index < headsHere; index++) {
        const target = output + (head + 1 - headsHere + index) * group * headDimension * 4;
        const scratchOf = held + index * runs * partBytes;
        exports.mergeAttention(
          scratchOf,
          partBytes,
          runs,
          headDimension,
          padded,
          target,
          tokenBytes,
          tokens,
          group,
          rows,
        );
      }
    }
  }
  if (calls.length > 0) flush();
}
