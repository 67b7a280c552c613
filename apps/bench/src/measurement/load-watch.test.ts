import { describe, expect, it } from "vitest";
import type { Clock } from "./clock.js";
import { createLoadWatch } from "./load-watch.js";

/** A machine under the test's control: work and spins take what it says. */
function createFakeMachine() {
  let wall = 0;
  let processor = 0;
  let spinMilliseconds = 1;
  let mainThread: number | undefined;
  const clock: Clock = {
    wall: () => wall,
    processorTime: () => processor,
    mainThreadTime: () => mainThread,
    spin() {
      wall += spinMilliseconds;
      processor += spinMilliseconds;
    },
  };
  return {
    clock,
    setSpin: (milliseconds: number) => {
      spinMilliseconds = milliseconds;
    },
    /** Work that passes wall time and uses processor time. */
    work: (passed: number, used: number, main?: number) => () => {
      wall += passed;
      processor += used;
      if (main !== undefined) mainThread = (mainThread ?? 0) + main;
    },
    startMainThreadClock: () => {
      mainThread = 0;
    },
  };
}

describe("the load watch", () => {
  it("takes work that had its core to itself for quiet, and times it without the spins", async () => {
    const machine = createFakeMachine();
    const watch = createLoadWatch(machine.clock);
    expect(await watch.observe(machine.work(20, 19.9))).toEqual({
      ...{ milliseconds: 20, disturbance: undefined },
      processorTime: expect.closeTo(19.9, 9),
    });
  });

  it("sees that the process was taken off its core", async () => {
    const machine = createFakeMachine();
    const watch = createLoadWatch(machine.clock);
    expect(await watch.observe(machine.work(20, 15))).toMatchObject({
      milliseconds: 20,
      disturbance: "descheduled",
    });
  });

  it("expects as much processor time as there are busy threads", async () => {
    const two = { threads: 2, share: 1 };
    const machine = createFakeMachine();
    const watch = createLoadWatch(machine.clock);
    expect((await watch.observe(machine.work(20, 40), two)).disturbance).toBeUndefined();
    expect((await watch.observe(machine.work(20, 30), two)).disturbance).toBe("descheduled");
  });

  it("allows waiting where waiting is part of the work", async () => {
    const machine = createFakeMachine();
    const watch = createLoadWatch(machine.clock);
    expect((await watch.observe(machine.work(20, 15), { threads: 1, share: 0.7 })).disturbance).toBeUndefined();
    expect((await watch.observe(machine.work(20, 12), { threads: 1, share: 0.7 })).disturbance).toBe("descheduled");
  });

  it("does not let helper threads fill the main thread's gaps where its own time is known", async () => {
    const machine = createFakeMachine();
    machine.startMainThreadClock();
    const watch = createLoadWatch(machine.clock);
    expect((await watch.observe(machine.work(20, 22, 15))).disturbance).toBe("descheduled");
    expect((await watch.observe(machine.work(20, 22, 20))).disturbance).toBeUndefined();
  });

  it("sees a core that is slower than it was, before or after the work", async () => {
    const machine = createFakeMachine();
    const watch = createLoadWatch(machine.clock);
    const slowAfter = () => {
      machine.work(20, 20)();
      machine.setSpin(1.5);
    };
    expect((await watch.observe(slowAfter)).disturbance).toBe("slow core");
    const fastAfter = () => {
      machine.work(20, 20)();
      machine.setSpin(1);
    };
    expect((await watch.observe(fastAfter)).disturbance).toBe("slow core");
    expect((await watch.observe(machine.work(20, 20))).disturbance).toBeUndefined();
  });

  it("learns from a faster spin that the core had been slow all the time", async () => {
    const machine = createFakeMachine();
    machine.setSpin(2);
    const watch = createLoadWatch(machine.clock);
    expect((await watch.observe(machine.work(20, 20))).disturbance).toBeUndefined();
    machine.setSpin(1);
    await watch.observe(machine.work(20, 20));
    machine.setSpin(2);
    expect((await watch.observe(machine.work(20, 20))).disturbance).toBe("slow core");
  });

  it("waits for work that is not done at once", async () => {
    const machine = createFakeMachine();
    const watch = createLoadWatch(machine.clock);
    const later = async () => {
      await Promise.resolve();
      machine.work(30, 30)();
    };
    expect(await watch.observe(later)).toMatchObject({ milliseconds: 30, disturbance: undefined });
  });
});
