/** Answers a host's questions over the channel of its parent process; ends with it. */
import type { HostAnswer, HostProgram, HostRequest, HostTime, OpenedSubject } from "./protocol.js";

/** Serves until the parent is gone. */
export function serve(program: HostProgram): void {
  const opened = new Map<number, OpenedSubject>();
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
        const made = ((await subject.run(request.runs)) as number | undefined) ?? request.runs;
        const share = request.runs / made;
        const milliseconds = share * (performance.now() - started);
        return { milliseconds, processorTime: share * (processorTime() - used), ...idle } satisfies HostTime;
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

/** Processor time of this process so far, all threads together, in milliseconds. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
