/**
 * How threads share a product: every thread runs this module over the same memory and takes parts from a board until none
 * are left. Claiming and starting a part takes a fraction of a microsecond here; from JavaScript, with its arguments
 * unpacked, it took two.
 *
 * Board, int32 numbers as in `../src/threads/board.ts`, which also lists the functions in the order of their numbers.
 */
import { attend } from "./attention";
import { dotCodebook } from "./codebook";
import { dotDense16, dotDense32 } from "./dense";
import { multiplyTile } from "./multiply";
import { dotPaired } from "./paired-dot";
import { dotPairedTokens, multiplyPaired } from "./paired-multiply";
import { dotUniform } from "./uniform";
import { dotBytes } from "./uniform-bytes";

const STATE: usize = 0;
const FINISHED: usize = 16 << 2;
const FUNCTION: usize = 48 << 2;
const PARTS: usize = 64 << 2;
const PART_BYTES: usize = 32 << 2;
const UNCLAIMED: i32 = 255;

/** Takes parts until nobody has any left to take. */
export function shareParts(board: usize): void {
  for (;;) {
    const state = atomic.load<i32>(board + STATE);
    const unclaimed = state & UNCLAIMED;
    if (unclaimed == 0) return;
    if (atomic.cmpxchg<i32>(board + STATE, state, state - 1) != state) continue;
    runPart(load<i32>(board + FUNCTION), board + PARTS + <usize>(unclaimed - 1) * PART_BYTES);
    atomic.add<i32>(board + FINISHED, 1);
  }
}

/** Takes parts as they come; returns the last state seen: after `looks` looks in vain, or negative, which is the end. */
export function serveParts(board: usize, looks: i32): i32 {
  let left = looks;
  let state = atomic.load<i32>(board + STATE);
  while (state >= 0 && left > 0) {
    if ((state & UNCLAIMED) != 0) {
      shareParts(board);
      left = looks;
    } else left--;
    state = atomic.load<i32>(board + STATE);
  }
  return state;
}

function runPart(index: i32, part: usize): void {
  switch (index) {
    case 0:
      dotDense32(
        load<usize>(part), load<i32>(part, 4), load<i32>(part, 8), load<usize>(part, 12), load<usize>(part, 16),
        load<usize>(part, 20),
      );
      break;
    case 1:
      dotDense16(
        load<usize>(part), load<i32>(part, 4), load<i32>(part, 8), load<usize>(part, 12), load<usize>(part, 16),
        load<usize>(part, 20), load<i32>(part, 24) != 0,
      );
      break;
    case 2:
      dotCodebook(
        load<usize>(part), load<usize>(part, 4), load<i32>(part, 8), load<i32>(part, 12), load<i32>(part, 16),
        load<i32>(part, 20), load<usize>(part, 24), load<i32>(part, 28) != 0, load<usize>(part, 32),
        load<usize>(part, 36), load<usize>(part, 40), load<usize>(part, 44),
      );
      break;
    case 3:
      dotUniform(
        load<usize>(part), load<usize>(part, 4), load<i32>(part, 8), load<i32>(part, 12), load<i32>(part, 16),
        load<usize>(part, 20), load<usize>(part, 24), load<usize>(part, 28),
      );
      break;
    case 4:
      dotBytes(
        load<usize>(part), load<usize>(part, 4), load<i32>(part, 8), load<i32>(part, 12), load<i32>(part, 16),
        load<i32>(part, 20) != 0, load<usize>(part, 24), load<usize>(part, 28), load<i32>(part, 32),
        load<usize>(part, 36), load<usize>(part, 40), load<usize>(part, 44),
      );
      break;
    case 5:
      dotPaired(
        load<usize>(part), load<usize>(part, 4), load<i32>(part, 8), load<i32>(part, 12), load<i32>(part, 16),
        load<i32>(part, 20), load<i32>(part, 24), load<usize>(part, 28), load<usize>(part, 32), load<usize>(part, 36),
        load<usize>(part, 40), load<usize>(part, 44), load<usize>(part, 48), load<usize>(part, 52),
        load<usize>(part, 56),
      );
      break;
    case 6:
      dotPairedTokens(
        load<usize>(part), load<usize>(part, 4), load<i32>(part, 8), load<i32>(part, 12), load<i32>(part, 16),
        load<i32>(part, 20), load<i32>(part, 24), load<usize>(part, 28), load<usize>(part, 32), load<usize>(part, 36),
        load<usize>(part, 40), load<usize>(part, 44), load<usize>(part, 48), load<usize>(part, 52),
        load<i32>(part, 56), load<usize>(part, 60), load<usize>(part, 64), load<usize>(part, 68),
        load<usize>(part, 72),
      );
      break;
    case 7:
      multiplyPaired(
        load<usize>(part), load<usize>(part, 4), load<i32>(part, 8), load<i32>(part, 12), load<i32>(part, 16),
        load<i32>(part, 20), load<i32>(part, 24), load<usize>(part, 28), load<usize>(part, 32), load<usize>(part, 36),
        load<usize>(part, 40), load<usize>(part, 44), load<usize>(part, 48), load<i32>(part, 52),
        load<usize>(part, 56), load<usize>(part, 60), load<usize>(part, 64), load<usize>(part, 68),
      );
      break;
    case 8:
      attend(
        load<usize>(part), load<usize>(part, 4), load<usize>(part, 8), load<usize>(part, 12), load<i32>(part, 16),
        load<i32>(part, 20), load<i32>(part, 24), load<usize>(part, 28), load<usize>(part, 32), load<usize>(part, 36),
        load<i32>(part, 40), load<i32>(part, 44), load<i32>(part, 48), load<i32>(part, 52), load<i32>(part, 56),
        load<usize>(part, 60), load<i32>(part, 64), load<i32>(part, 68), load<i32>(part, 72),
        load<i32>(part, 76) != 0,
      );
      break;
    case 9:
      multiplyTile(
        load<usize>(part), load<i32>(part, 4), load<i32>(part, 8), load<usize>(part, 12), load<i32>(part, 16),
        load<usize>(part, 20), load<usize>(part, 24), load<usize>(part, 28),
      );
      break;
  }
}
