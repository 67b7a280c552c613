/**
 * The program of a worker of the backward pass, as text for the same reason as `../threads/worker-source.ts`. Parts are
 * long here (a tenth of a millisecond and more), so that workers soon sleep and there is one record at a time.
 *
 * Board, int32, a cache line apart: 0 number of the record · 65536 + parts nobody has claimed, or −1 for the end; 16 parts
 * finished; 32 whether one failed; 48 address of the workers' scratch and 49 its bytes per thread; 64 … the record.
 */

export const STATE = 0;
export const FINISHED = 16;
export const FAILED = 32;
export const SCRATCH = 48;
export const SCRATCH_BYTES = 49;
export const RECORD = 64;
/** Words of a record at most. */
export const RECORD_LENGTH = 32;
export const BOARD_LENGTH: number = RECORD + RECORD_LENGTH;
/** Bits of the state that count unclaimed parts. */
export const UNCLAIMED = 0xffff;
/** State that ends the workers. */
export const END = -1;

/** Looks at the board before a worker sleeps: about 0.1 ms. */
const LOOKS = 20_000;

export const workerSource: string = `
const { workerData, parentPort } = require("node:worker_threads");
const { module, memory, address, thread } = workerData;
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
const board = new Int32Array(memory.buffer, address, ${BOARD_LENGTH});
parentPort.postMessage("ready");
let looks = ${LOOKS};
for (;;) {
  const state = Atomics.load(board, ${STATE});
  if (state === ${END}) break;
  const unclaimed = state & ${UNCLAIMED};
  if (unclaimed === 0) {
    if (--looks > 0) continue;
    Atomics.wait(board, ${STATE}, state);
  } else if (Atomics.compareExchange(board, ${STATE}, state, state - 1) === state) {
    try {
      const scratch = (board[${SCRATCH}] >>> 0) + thread * board[${SCRATCH_BYTES}];
      exports.runGradientJob(address + ${RECORD * 4}, unclaimed - 1, scratch);
    } catch {
      board[${FAILED}] = 1;
    }
    Atomics.add(board, ${FINISHED}, 1);
  }
  looks = ${LOOKS};
}
`;
