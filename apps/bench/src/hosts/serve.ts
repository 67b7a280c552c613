/** Answers a host's questions over the channel of its parent process; ends with it. */
import type { HostAnswer, HostProgram, HostRequest, HostTime, OpenedSubject, RunOutcome } from "./protocol.js";

/** Serves until the parent is gone. */
export function serve(program: HostProgram): void {
  const opened = new Map<number, OpenedSubject>();
  const processorTime = program.processorTime ?? ownTime;
  let lastId = 0;
  let answeredAt = performance.now();
  let usedThen = processorTime();

  const find = (id: number): OpenedSubject => {
    const subject = opened.get(id);
    if (subject === undefined) throw new Error(`Nothing is open under ${id}.`);
    return subject;
  };
  const answer = async (request: HostRequest): Promise<unknown> => {
    switch (request.do) {
      case "start":
        return await program.start(request.entries, request.threads);
      case "open": {
        const subject = await program.open(request.subject);
        opened.set(++lastId, subject);
        return { id: lastId, ...(subject.bytes === undefined ? {} : { bytes: subject.bytes }) };
      }
      case "close":
        await find(request.id).close();
        return opened.delete(request.id);
      case "run": {
        const subject = find(request.id);
        const started = performance.now();
        const used = processorTime();
        const idle = { idleMilliseconds: started - answeredAt, idleProcessorTime: used - usedThen };
        const outcome = ((await subject.run(request.runs)) ?? {}) as RunOutcome;
        const share = request.runs / (outcome.made ?? request.runs);
        const milliseconds = outcome.milliseconds ?? share * (performance.now() - started);
        const time = { milliseconds, processorTime: share * (processorTime() - used), ...idle } satisfies HostTime;
        await quiet(processorTime, program.processorTime === undefined ? QUIET.every : QUIET.everyOfOthers);
        return time;
      }
    }
  };
  process.on("disconnect", () => process.exit(0));
  process.on("message", (request: HostRequest) => {
    const send = (reply: HostAnswer): void => {
      process.send?.(reply);
      answeredAt = performance.now();
      usedThen = processorTime();
    };
    answer(request).then(
      (value) => send({ ok: true, value }),
      (error: unknown) => send({ ok: false, message: error instanceof Error ? error.message : String(error) }),
    );
  });
}

/**
 * How often to look whether threads still compute (other processes' time is told in steps of 10 ms), for how long at most,
 * and which share of the time is computing.
 */
const QUIET = { every: 4, everyOfOthers: 30, longest: 400, share: 0.1 };

/** Waits until the library's threads have stopped looking for more work: the next engine's turn must not suffer from it. */
async function quiet(processorTime: () => number, every: number): Promise<void> {
  const end = performance.now() + QUIET.longest;
  for (;;) {
    const [started, used] = [performance.now(), processorTime()];
    await new Promise((resolve) => setTimeout(resolve, every));
    const now = performance.now();
    if (processorTime() - used <= QUIET.share * (now - started) || now > end) return;
  }
}

/** Processor time of this process so far, all threads together, in milliseconds. */
function ownTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
