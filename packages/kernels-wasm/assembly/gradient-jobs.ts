/**
 * The backward pass as jobs that threads may take in any order: one export, a record in memory that says what is to be
 * done, and the number of the part. Jobs of one record write to different places, and no job's result depends on who does
 * it. Records are 4-byte words: the operation, then its arguments; pointers and strides in bytes.
 */
import { add } from "./elementwise";
import { attendHead, attendHeadBackward, sumHeads } from "./gradient-attention";
import {
  addBias,
  crossEntropyRows,
  gateBackward,
  gateForward,
  layerNormalizeBackward,
  meanSquares,
  rmsNormalizeBackward,
  rotateSigned,
} from "./gradient-elementwise";
import { JOB_COLUMNS, multiplyColumns, packRows } from "./gradient-multiply";
import { layerNormalize, rmsNormalize } from "./normalize";

// Operations; the host's `gradient/operations.ts` has the same numbers and the meaning of every word.
const PACK: i32 = 0;
const MULTIPLY: i32 = 1;
const ATTEND: i32 = 2;
const ATTEND_BACKWARD: i32 = 3;
const SUM_HEADS: i32 = 4;
const NORMALIZE: i32 = 5;
const NORMALIZE_BACKWARD: i32 = 6;
const ROTATE: i32 = 7;
const GATE: i32 = 8;
const GATE_BACKWARD: i32 = 9;
const CROSS_ENTROPY: i32 = 10;
const ADD: i32 = 11;
const ADD_BIAS: i32 = 12;
const MEAN_SQUARES: i32 = 13;

// @ts-ignore: decorator
@inline
function word(call: usize, index: i32): i32 {
  return i32.load(call + (<usize>index << 2));
}

// @ts-ignore: decorator
@inline
function pointer(call: usize, index: i32): usize {
  return <usize>i32.load(call + (<usize>index << 2));
}

// @ts-ignore: decorator
@inline
function real(call: usize, index: i32): f32 {
  return f32.load(call + (<usize>index << 2));
}

/** Part `part` of the record at `call`; `scratch` belongs to the calling thread. */
export function runGradientJob(call: usize, part: i32, scratch: usize): void {
  const operation = word(call, 0);
  if (operation == PACK || operation == MULTIPLY) {
    const rows = word(call, 9);
    const columns = word(call, 10);
    const depth = word(call, 11);
    const blockDepth = word(call, 12);
    if (operation == PACK) {
      const first = part * word(call, 16);
      const last = min(first + word(call, 16), rows);
      packRows(pointer(call, 1), pointer(call, 2), pointer(call, 3), rows, depth, blockDepth, pointer(call, 15), pointer(call, 17), first, last);
      return;
    }
    const first = part * JOB_COLUMNS;
    const last = min(first + JOB_COLUMNS, columns);
    multiplyColumns(
      pointer(call, 17),
      rows,
      depth,
      blockDepth,
      pointer(call, 4),
      pointer(call, 5),
      pointer(call, 6),
      pointer(call, 7),
      pointer(call, 8),
      word(call, 13),
      word(call, 14) != 0,
      first,
      last,
      scratch,
    );
    return;
  }
  if (operation == ATTEND || operation == ATTEND_BACKWARD) {
    const tokens = word(call, 9);
    const d = word(call, 10);
    const heads = word(call, 11);
    const groups = word(call, 12);
    const window = word(call, 13);
    const scale = real(call, 14);
    const at = <usize>(part * d) << 2;
    const shared = <usize>((part / (heads / groups)) * d) << 2;
    const queryBytes = <usize>(heads * d) << 2;
    const keyBytes = <usize>(groups * d) << 2;
    const query = pointer(call, 1) + at;
    const key = pointer(call, 2) + shared;
    const value = pointer(call, 3) + shared;
    if (operation == ATTEND) {
      attendHead(query, queryBytes, key, value, keyBytes, pointer(call, 4) + at, tokens, d, window, scale, scratch);
    } else {
      attendHeadBackward(
        query,
        queryBytes,
        key,
        value,
        keyBytes,
        pointer(call, 4) + at,
        pointer(call, 5) + at,
        pointer(call, 6) + at,
        pointer(call, 7) + at,
        tokens,
        d,
        window,
        scale,
        scratch,
      );
    }
    return;
  }
  // All others go row by row: words 1 and 2 are rows and columns in all, word 3 rows per part.
  const first = part * word(call, 3);
  const rows = min(word(call, 3), word(call, 1) - first);
  const columns = word(call, 2);
  const at = (<usize>first * <usize>columns) << 2;
  if (operation == NORMALIZE) {
    const input = pointer(call, 4) + at;
    const output = pointer(call, 7) + at;
    if (word(call, 8)) layerNormalize(input, pointer(call, 5), pointer(call, 6), real(call, 9), output, rows, columns);
    else rmsNormalize(input, pointer(call, 5), real(call, 9), output, rows, columns);
  } else if (operation == NORMALIZE_BACKWARD) {
    const input = pointer(call, 4) + at;
    const gradient = pointer(call, 6) + at;
    const target = pointer(call, 7) + at;
    const adds = word(call, 10) != 0;
    if (word(call, 8)) layerNormalizeBackward(input, pointer(call, 5), real(call, 9), gradient, target, rows, columns, adds);
    else rmsNormalizeBackward(input, pointer(call, 5), real(call, 9), gradient, target, rows, columns, adds);
  } else if (operation == ROTATE) {
    const half = word(call, 9);
    const row = (<usize>first * <usize>half) << 2;
    rotateSigned(pointer(call, 4) + at, pointer(call, 5) + row, pointer(call, 6) + row, rows, word(call, 7), word(call, 8), half, real(call, 10));
  } else if (operation == GATE) {
    gateForward(pointer(call, 4) + at, pointer(call, 5) + at, pointer(call, 6) + at, rows * columns);
  } else if (operation == GATE_BACKWARD) {
    gateBackward(pointer(call, 4) + at, pointer(call, 5) + at, pointer(call, 6) + at, rows * columns);
  } else if (operation == CROSS_ENTROPY) {
    crossEntropyRows(
      pointer(call, 4) + at,
      pointer(call, 5) + (<usize>first << 2),
      pointer(call, 6) + (<usize>first << 2),
      rows,
      columns,
      real(call, 7),
    );
  } else if (operation == ADD) {
    add(pointer(call, 4) + at, pointer(call, 5) + at, rows * columns);
  } else if (operation == ADD_BIAS) {
    addBias(pointer(call, 4) + at, pointer(call, 5), rows, columns);
  } else if (operation == MEAN_SQUARES) {
    meanSquares(pointer(call, 4) + at, pointer(call, 5) + (<usize>first << 2), rows, columns, real(call, 6));
  } else if (operation == SUM_HEADS) {
    const groups = word(call, 6);
    const d = word(call, 8);
    sumHeads(pointer(call, 4) + at, pointer(call, 5) + ((<usize>first * <usize>(groups * d)) << 2), rows, word(call, 7), groups, d);
  }
}
