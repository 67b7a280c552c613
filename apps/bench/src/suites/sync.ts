/** `sync`: what it costs to hand work to threads, and how much of a decode step that is. */
import { Worker } from "node:worker_threads";
import { type Command, Option } from "commander";
import { integer, list, oneOf } from "../options/parse.js";
import type { Session, SuiteVariant } from "../session.js";
import { modelShapes } from "../synthetic/model-shapes.js";
import { layersOf } from "../synthetic/synthetic-layers.js";
import type { Suite } from "./suite.js";

type Way = "spin" | "wait";

interface SyncOptions {
  readonly threads: readonly number[];
  readonly ways: readonly Way[];
}

/** Products of a block that are handed out one after another: query/key/value, output, gate/up, down. */
const HANDOVERS_PER_BLOCK = 4;
const ENGINE = "handover";
/** Places in the shared memory, in 32-bit words; far apart, so that no two share a cache line. */
const TASK = 0;
const DONE = 32;
/** A waiting thread computes little. */
const WAITING_SHARE = 0;

/**
 * A worker's loop: wait for the task number to move, say that it is done, until the number is negative. Written as text
 * because a worker needs a file or a text of its own, built or not.
 */
const workerSource = `
const { workerData: { memory, way } } = require("node:worker_threads");
const words = new Int32Array(memory);
let seen = 0;
for (;;) {
  if (way === "wait") Atomics.wait(words, ${TASK}, seen);
  const task = Atomics.load(words, ${TASK});
  if (task === seen) continue;
  if (task < 0) break;
  seen = task;
  Atomics.add(words, ${DONE}, 1);
  if (way === "wait") Atomics.notify(words, ${DONE});
}
`;

/** The suite. */
export const syncSuite: Suite<SyncOptions> = {
  name: "sync",
  description: "Time a round trip to worker threads, spinning and sleeping: a decode step makes one per product.",
  examples: [
    ["sync", "one other thread"],
    ["sync --threads 2,4", "and three"],
  ],
  defaults: { warmUp: 2, repetitions: 15 },
  addOptions(command: Command) {
    command
      .addOption(
        new Option("--threads <list>", "threads, the main one included")
          .argParser(list(integer(2, 64)))
          .default([2], "2"),
      )
      .addOption(
        new Option("--ways <list>", "spin: look all the time; wait: sleep until woken")
          .argParser(list(oneOf(["spin", "wait"] as const)))
          .default(["spin", "wait"], "spin,wait"),
      );
  },
  async run(session, { threads, ways }) {
    session.engines.clear();
    for (const count of threads) {
      // One way at a time: spinning workers of another variant would take the cores.
      for (const way of ways) {
        await using team = await startTeam(way, count);
        const notes = [way === "spin" ? "Workers spin." : "Workers sleep in Atomics.wait and are notified."];
        session.engines.set(`${way} ×${count}`, { name: ENGINE, kernels: way, threads: count, notes });
        await session.measure("sync", { name: `${way}, ${count} threads` }, [team.variant]);
      }
    }
    remarkOnSteps(session);
  },
};

interface Team extends AsyncDisposable {
  readonly variant: SuiteVariant;
}

/** Workers that answer round trips. */
async function startTeam(way: Way, threads: number): Promise<Team> {
  const memory = new SharedArrayBuffer(4 * (DONE + 32));
  const words = new Int32Array(memory);
  const workers = Array.from(
    { length: threads - 1 },
    () => new Worker(workerSource, { eval: true, workerData: { memory, way } }),
  );
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("online", resolve))));
  let task = 0;
  const roundTrip = (): void => {
    Atomics.store(words, DONE, 0);
    Atomics.store(words, TASK, ++task);
    if (way === "wait") Atomics.notify(words, TASK);
    for (let done = 0; done < workers.length; done = Atomics.load(words, DONE)) {
      if (way === "wait") Atomics.wait(words, DONE, done);
    }
  };
  return {
    variant: {
      ...{ engine: ENGINE, threads, codec: way, bits: 0, work: 1, workUnit: "round trips", run: roundTrip },
      busy: way === "spin" ? { threads, share: 0.9 } : { threads, share: WAITING_SHARE },
    },
    async [Symbol.asyncDispose]() {
      Atomics.store(words, TASK, -1);
      Atomics.notify(words, TASK);
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/** What the round trips of one decode step add up to. */
function remarkOnSteps(session: Session): void {
  for (const { codec, threads, medianMilliseconds } of session.rows) {
    const steps = Object.entries(modelShapes).map(([name, { title, config }]) => {
      const blocks = layersOf(config, title).vectors.length >> 1;
      const handovers = HANDOVERS_PER_BLOCK * blocks + 1;
      return `${name} ${(handovers * medianMilliseconds).toFixed(2)} ms (${handovers})`;
    });
    session.remark(`${codec} ×${threads}: the round trips of one decode step take ${steps.join(", ")}`);
  }
}
