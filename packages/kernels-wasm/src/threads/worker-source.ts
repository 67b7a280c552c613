/**
 * The program of a worker, as text, because packages cannot count on a separate file surviving every bundler. It knows
 * the module, the shared memory and the board, where the main thread writes a product as a list of parts. Whoever is free
 * claims a part and computes it, so that nobody waits for a worker that has no core at the moment.
 *
 * Board, int32, one cache line for each thing that several threads write: 0 number of the product · 256 + parts nobody has
 * claimed, or −1 for the end; 16 finished parts; 32 workers that sleep; 33 whether a call failed; 48 index of the export
 * and 49 number of its arguments; 64 … 32 numbers per part, its arguments.
 */

export const STATE = 0;
export const FINISHED = 16;
export const SLEEPERS = 32;
export const FAILED = 33;
export const FUNCTION = 48;
export const COUNT = 49;
export const PARTS = 64;
/** Numbers per part. */
export const PART_LENGTH = 32;
/** Most parts of one product. */
export const MAXIMUM_PARTS = 240;
/** Numbers on the board. */
export const BOARD_LENGTH: number = PARTS + MAXIMUM_PARTS * PART_LENGTH;
/** Bits of the state that count unclaimed parts. */
export const UNCLAIMED = 255;
/** State that ends the workers. */
export const END = -1;

/**
 * Looks at the board before a worker sleeps: about half a millisecond, longer than what lies between the products of one
 * token, shorter than what anyone notices between tokens. Waking takes 50 to 70 µs, looking 0.3.
 */
const LOOKS = 100_000;

/** What a worker does with what it was given: `start({ module, memory, address, names }, ready)`, which returns at the end. */
const program = `
function start({ module, memory, address, names }, ready) {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const functions = names.map((name) => exports[name]);
  const board = new Int32Array(memory.buffer, address, ${BOARD_LENGTH});
  ready();
  let looks = ${LOOKS};
  for (;;) {
    const state = Atomics.load(board, ${STATE});
    if (state === ${END}) break;
    const unclaimed = state & ${UNCLAIMED};
    if (unclaimed === 0) {
      if (--looks > 0) continue;
      Atomics.add(board, ${SLEEPERS}, 1);
      Atomics.wait(board, ${STATE}, state);
      Atomics.sub(board, ${SLEEPERS}, 1);
    } else if (Atomics.compareExchange(board, ${STATE}, state, state - 1) === state) {
      const at = ${PARTS} + (unclaimed - 1) * ${PART_LENGTH};
      try {
        functions[board[${FUNCTION}]].apply(undefined, board.subarray(at, at + board[${COUNT}]));
      } catch {
        board[${FAILED}] = 1;
      }
      Atomics.add(board, ${FINISHED}, 1);
    }
    looks = ${LOOKS};
  }
}
`;

/** For Node's workers, which get their data with them. */
export const nodeWorkerSource: string = `${program}
const { workerData, parentPort } = require("node:worker_threads");
start(workerData, () => parentPort.postMessage("ready"));
`;

/** For workers of browsers, which get it as their first message. */
export const browserWorkerSource: string = `${program}
self.onmessage = ({ data }) => {
  start(data, () => self.postMessage("ready"));
  self.close();
};
`;
