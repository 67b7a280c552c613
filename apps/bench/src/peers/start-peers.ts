/** Starts the peers that a suite can use, and keeps watch that nobody computes when it is not their turn. */
import { StepdownError } from "@stepdown/core";
import type { HostOpened, HostTime, OpenRequest } from "../hosts/protocol.js";
import { type BusyThreads, type RemoteTime, TEAM_SHARE } from "../measurement/load-watch.js";
import type { EngineReport } from "../report/result-document.js";
import { findPackage } from "./find-package.js";
import { startHost } from "./host-process.js";
import { peerList } from "./peer-list.js";

/** A started peer. */
export interface Peer {
  readonly name: string;
  /** Who computes during a run. */
  busy(threads: number): BusyThreads;
  /** Makes something ready; `undefined`, with a note, where this peer cannot. */
  open(subject: OpenRequest, what: string): Promise<OpenedPeer | undefined>;
}

/** Something ready to be measured. */
export interface OpenedPeer {
  readonly bytes?: number;
  run(runs: number): Promise<RemoteTime>;
}

/** Started peers. */
export interface Peers extends AsyncDisposable {
  readonly list: readonly Peer[];
}

/** What {@link startPeers} needs. */
export interface StartPeersOptions {
  readonly names: readonly string[];
  /** The folder that packages are looked for from. */
  readonly from: string;
  readonly need: "model" | "product";
  /** Most threads that will be asked for. */
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly note: (line: string) => void;
  readonly engines: Map<string, EngineReport>;
  /** Processor time of other processes that is ours all the same. */
  readonly addOwnTime: (milliseconds: number) => void;
}

/** Processor time per time beyond which a waiting process disturbs the one that computes. */
const IDLE_SHARE_LIMIT = 0.05;

/** Starts those that are installed; the others are left out with a note that says how to install them. */
export async function startPeers(options: StartPeersOptions): Promise<Peers> {
  const { names, from, need, threads, signal, note, engines } = options;
  const list: Peer[] = [];
  const ends: (() => Promise<void>)[] = [];
  const dispose = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    for (const name of names) {
      const { packages, program, runs, hint, title, share } = peerList[name]!;
      if (!runs.includes(need)) {
        note(`${name}: left out; it runs ${need === "model" ? "no whole models" : "no single products"} here`);
        continue;
      }
      const found = packages.map((wanted) => findPackage(wanted, from));
      const missing = packages.filter((_, index) => found[index] === undefined);
      if (missing.length > 0) {
        const also = hint === undefined ? "" : ` (${hint})`;
        note(
          `${name}: left out; ${missing.join(" and ")} not found in ${from} or above it. To have it: npm install --ignore-scripts ${packages.join(" ")}${also} in some folder, then --peers-from that folder`,
        );
        continue;
      }
      const { version } = found[0]!;
      const entries = found.map((one) => one!.entry);
      try {
        const host = await startHost({ program, peer: name, entries, threads }, signal);
        const watch = idleWatch(options.addOwnTime);
        const report = (): EngineReport => {
          return {
            name,
            kernels: `${version}, ${host.started.kernels}`,
            threads,
            notes: [`${title}.`, ...watch.notes()],
          };
        };
        engines.set(name, report());
        ends.push(async () => {
          engines.set(name, report());
          await host[Symbol.asyncDispose]();
        });
        list.push({
          name,
          busy: (count) => ({ threads: count, share: count > 1 ? Math.min(TEAM_SHARE, share) : share }),
          async open(subject, what) {
            let opened: HostOpened;
            try {
              opened = await host.open(subject);
            } catch (error) {
              signal.throwIfAborted();
              if (!StepdownError.isInstance(error)) throw error;
              note(`${name}: ${what} left out. ${error.message}`);
              return undefined;
            }
            const { id, bytes } = opened;
            const run = async (count: number): Promise<RemoteTime> => {
              return await watch.turn(async () => await host.run(id, count));
            };
            return { run, ...(bytes === undefined ? {} : { bytes }) };
          },
        });
      } catch (error) {
        signal.throwIfAborted();
        if (!StepdownError.isInstance(error)) throw error;
        note(`${name}: left out. ${error.message}`);
      }
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return { list, [Symbol.asyncDispose]: dispose };
}

/** Adds up what a host used while it waited, and what this process used while the host computed. */
function idleWatch(addOwnTime: (milliseconds: number) => void) {
  let idle = 0;
  let usedIdle = 0;
  let turns = 0;
  let usedHere = 0;
  const share = (part: number, whole: number): string => `${((100 * part) / Math.max(whole, 1)).toFixed(1)} %`;
  return {
    async turn(run: () => Promise<HostTime>): Promise<RemoteTime> {
      const before = process.cpuUsage();
      const time = await run();
      const { user, system } = process.cpuUsage(before);
      usedHere += (user + system) / 1000;
      turns += time.milliseconds;
      idle += time.idleMilliseconds;
      usedIdle += time.idleProcessorTime;
      addOwnTime(time.processorTime + time.idleProcessorTime);
      return { milliseconds: time.milliseconds, processorTime: time.processorTime };
    },
    notes(): string[] {
      if (turns === 0) return [];
      const line = `It used ${share(usedIdle, idle)} of a core while others were measured, this process ${share(usedHere, turns)} while it was.`;
      const isQuiet = usedIdle <= idle * IDLE_SHARE_LIMIT && usedHere <= turns * IDLE_SHARE_LIMIT;
      return isQuiet ? [line] : [`! ${line} Waiting processes took cores from measured ones.`];
    },
  };
}
