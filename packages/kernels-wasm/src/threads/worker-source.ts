/**
 * The program of a worker, as text, because packages cannot count on a separate file surviving every bundler. It runs the
 * module over the shared memory and sleeps where the module sees no parts for a while.
 */
import { FAILED, FINISHED, SLEEPERS, STATE } from "./board.js";

/**
 * Looks at the board before a worker sleeps: about half a millisecond, longer than what lies between the products of one
 * token, shorter than what anyone notices between tokens. Waking takes 50 to 70 µs, looking less than 1.
 */
const LOOKS = 600_000;

/** What a worker does with what it was given: `start({ module, memory, address }, ready)`, which returns at the end. */
const program = `
function start({ module, memory, address }, ready) {
  const { serveParts } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  const board = new Int32Array(memory.buffer, address, ${FAILED + 1});
  ready();
  for (;;) {
    let state;
    try {
      state = serveParts(address, ${LOOKS});
    } catch {
      board[${FAILED}] = 1;
      Atomics.add(board, ${FINISHED}, 1);
      continue;
    }
    if (state < 0) break;
    Atomics.add(board, ${SLEEPERS}, 1);
    Atomics.wait(board, ${STATE}, state);
    Atomics.sub(board, ${SLEEPERS}, 1);
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
