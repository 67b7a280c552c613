/** A peer's own process, so that its threads, its memory and its crashes are not ours. */
import { fork } from "node:child_process";
import { UnsupportedError } from "@stepdown/core";
import { hostEntry } from "../host-entry.js";
import type { HostAnswer, HostOpened, HostRequest, HostStarted, HostTime, OpenRequest } from "../hosts/protocol.js";

/** A started host. */
export interface HostProcess extends AsyncDisposable {
  readonly started: HostStarted;
  open(subject: OpenRequest): Promise<HostOpened>;
  run(id: number, runs: number): Promise<HostTime>;
  close(id: number): Promise<void>;
}

/** Lines that a failed host's standard error is quoted with. */
const QUOTED_LINES = 3;

/** Milliseconds that a host has to end by itself. */
const PATIENCE = 2000;

/** Starts the host program of a kind on a library's file. */
export async function startHost(
  { program, peer, entries, threads }: { program: string; peer: string; entries: readonly string[]; threads: number },
  signal: AbortSignal,
): Promise<HostProcess> {
  const { path, execArgv } = hostEntry(program);
  // The host hears of Ctrl-C through its parent, not from the terminal: `detached` takes it out of the terminal's group.
  const child = fork(path, [], { execArgv: [...execArgv], stdio: ["ignore", "ignore", "pipe", "ipc"], detached: true });
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-4000);
  });
  let ended = false;
  let settle: ((answer: HostAnswer) => void) | undefined;
  child.on("message", (answer: HostAnswer) => settle?.(answer));
  const fail = (message: string): void => {
    ended = true;
    settle?.({ ok: false, message });
  };
  child.on("error", ({ message }) => fail(message));
  child.on("exit", (code, by) => fail(`its process ended (${by ?? `exit code ${code}`})`));
  // A host that hears that its parent is gone ends by itself, and what it has started with it.
  const kill = (): void => {
    if (child.connected) child.disconnect();
    setTimeout(() => child.kill("SIGKILL"), PATIENCE).unref();
  };
  signal.addEventListener("abort", kill, { once: true });

  const ask = async <T>(request: HostRequest): Promise<T> => {
    const answer = await new Promise<HostAnswer>((resolve) => {
      settle = resolve;
      if (ended) fail("its process has ended");
      else child.send(request);
    });
    signal.throwIfAborted();
    if (answer.ok) return answer.value as T;
    const quoted = errors.trim().split("\n").slice(-QUOTED_LINES).join(" ").trim();
    throw new UnsupportedError(`${peer} failed: ${answer.message}.${quoted === "" ? "" : ` It wrote: ${quoted}`}`);
  };
  const dispose = async (): Promise<void> => {
    signal.removeEventListener("abort", kill);
    if (ended) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    kill();
    await gone;
  };
  try {
    return {
      started: await ask<HostStarted>({ do: "start", entries, threads }),
      open: async (subject) => await ask({ do: "open", subject }),
      run: async (id, runs) => await ask({ do: "run", id, runs }),
      close: async (id) => void (await ask({ do: "close", id })),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
