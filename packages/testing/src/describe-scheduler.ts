import {
  isPrecision,
  type Precision,
  type PrecisionDecision,
  precisionOfBlock,
  type ScheduleRequest,
  type Scheduler,
} from "@stepdown/core";
import { expectEqual, expectRefusal, expectThat } from "./checks/expectations.js";
import { type DriveOptions, driveSchedule, driveToEnd } from "./scheduler/drive-schedule.js";
import type { TestRunner } from "./test-runner.js";

/** Options of {@link describeScheduler}. */
export interface SchedulerSuiteOptions {
  /** Also require that no block's precision ever rises during decoding. Default `false`. */
  readonly nonIncreasing?: boolean;
  /** Precisions of the pretended model. Default: exactly the declared ones. */
  readonly available?: readonly Precision[];
  /** Block counts of the pretended models. Default 1 and 5. */
  readonly blocks?: readonly number[];
  /** Shape of the keys and values shown to a scheduler that asks for them. Default 2 heads of 8. */
  readonly keyValues?: { readonly keyValueHeads: number; readonly headDimension: number };
}

/** Prompt lengths and token limits that are tried in all combinations: the smallest, odd ones, and a usual limit. */
const PROMPT_TOKENS = [1, 7, 300] as const;
const MAXIMUM_NEW_TOKENS = [1, 2, 33, 256] as const;

/**
 * Registers the tests every {@link Scheduler} has to pass. `createScheduler` is called for every test; it may return the
 * same object each time.
 */
export function describeScheduler(
  name: string,
  createScheduler: () => Scheduler,
  runner: TestRunner,
  options: SchedulerSuiteOptions = {},
): void {
  const { describe, it } = runner;
  const { blocks = [1, 5], keyValues = {} } = options;

  const availableTo = (scheduler: Scheduler): readonly Precision[] =>
    [...new Set([...scheduler.precisions, ...(options.available ?? [])])].sort((one, other) => one - other);
  const requestsFor = (scheduler: Scheduler): ScheduleRequest[] =>
    PROMPT_TOKENS.flatMap((promptTokens) =>
      MAXIMUM_NEW_TOKENS.flatMap((maximumNewTokens) =>
        blocks.map((count) =>
          Object.freeze({
            promptTokens,
            maximumNewTokens,
            blocks: count,
            available: Object.freeze(availableTo(scheduler)),
          }),
        ),
      ),
    );
  const drive = (scheduler: Scheduler, request: ScheduleRequest, how: DriveOptions = {}) =>
    driveToEnd(scheduler, request, { ...keyValues, ...how });

  describe(`${name} keeps the scheduler contract`, () => {
    it("names its version, itself, its precisions and only known features", () => {
      const scheduler = createScheduler();
      expectEqual(scheduler.specificationVersion, "v1", "specificationVersion");
      expectThat(typeof scheduler.name === "string" && scheduler.name.length > 0, "A scheduler needs a name.");
      const { precisions } = scheduler;
      expectThat(precisions.length > 0, "A scheduler must declare at least one precision.");
      expectThat(precisions.every(isPrecision), `Declared precisions must be 1 … 8, 16 or 32, got ${precisions}.`);
      expectEqual(new Set(precisions).size, precisions.length, "number of different declared precisions");
      const known = ["lastBlockKeyValues", "logitStatistics", "telemetry"];
      const unknown = Object.keys(scheduler.features ?? {}).filter((feature) => !known.includes(feature));
      expectEqual(unknown, [], "unknown features");
    });

    it("decides only on declared precisions, one for all blocks or one per block, whatever the lengths", async () => {
      const scheduler = createScheduler();
      for (const request of requestsFor(scheduler)) {
        for (const how of [{}, { seed: 99 }, { featureKind: "zeros" }, { firstIndex: 1 }] as const) {
          const { prefill, decode } = await drive(scheduler, request, how);
          for (const decision of [prefill, ...decode]) requireDecision(decision, scheduler, request);
        }
      }
    });

    it("gives the same decisions for the same inputs", async () => {
      for (const request of requestsFor(createScheduler())) {
        const first = await drive(createScheduler(), request);
        expectEqual(await drive(createScheduler(), request), first, `decisions for ${JSON.stringify(request)}`);
      }
    });

    it("keeps sequences apart that are started from one scheduler and run at the same time", async () => {
      const scheduler = createScheduler();
      const requests = requestsFor(scheduler);
      const alone = [];
      for (const [index, request] of requests.entries())
        alone.push(await drive(createScheduler(), request, { seed: index }));
      const runs = requests.map((request, seed) => driveSchedule(scheduler, request, { ...keyValues, seed }));
      const together: unknown[] = new Array(runs.length);
      let open = runs.map((run, index) => ({ run, index }));
      while (open.length > 0) {
        const still = [];
        for (const { run, index } of open) {
          const { done, value } = await run.next();
          if (done) together[index] = value;
          else still.push({ run, index });
        }
        // Turned around each time, so that no sequence is always asked first.
        open = still.reverse();
      }
      expectEqual(together, alone, "decisions of interleaved sequences");
    });

    it("reads only features that it declared", async () => {
      const scheduler = createScheduler();
      const read = new Set<string>();
      for (const request of requestsFor(scheduler))
        await drive(scheduler, request, { onUndeclared: (feature) => read.add(feature) });
      expectEqual([...read], [], "features read without being declared");
    });

    it("shows a prefill precision that does not change", async () => {
      const scheduler = createScheduler();
      for (const request of requestsFor(scheduler)) {
        const sequence = scheduler.start(request);
        const first = JSON.stringify(sequence.prefill);
        expectEqual(JSON.stringify(sequence.prefill), first, "prefill read again");
      }
    });

    it("decides the same when the model offers more precisions than it declared", async () => {
      const scheduler = createScheduler();
      for (const request of requestsFor(scheduler)) {
        const widest = { ...request, available: [1, 2, 3, 4, 5, 6, 7, 8, 16, 32] };
        const expected = await drive(scheduler, request);
        expectEqual(await drive(scheduler, widest), expected, "decisions with more precisions available");
      }
    });

    it("refuses to start on a model that lacks a declared precision", async () => {
      const scheduler = createScheduler();
      const [request] = requestsFor(scheduler);
      for (const missing of scheduler.precisions) {
        const available = request!.available.filter((precision) => precision !== missing);
        const start = () => scheduler.start({ ...request!, available });
        await expectRefusal(start, ["InvalidScheduleError"], `start without precision ${missing}`);
      }
    });

    if (options.nonIncreasing)
      it("never raises a block's precision during decoding", async () => {
        const scheduler = createScheduler();
        for (const request of requestsFor(scheduler)) {
          const { decode } = await drive(scheduler, request);
          for (let index = 1; index < decode.length; index++)
            for (let block = 0; block < request.blocks; block++) {
              const before = precisionOfBlock(decode[index - 1]!, block);
              const now = precisionOfBlock(decode[index]!, block);
              expectThat(now <= before, `Block ${block} rises from ${before} to ${now} at index ${index}.`);
            }
        }
      });
  });
}

function requireDecision(decision: PrecisionDecision, scheduler: Scheduler, request: ScheduleRequest): void {
  const where = `in a decision for ${JSON.stringify(request)}`;
  if (typeof decision !== "number") {
    expectThat(Array.isArray(decision), `Neither a precision nor a list of precisions: ${String(decision)} ${where}.`);
    expectEqual(decision.length, request.blocks, `precisions ${where}`);
  }
  for (const precision of typeof decision === "number" ? [decision] : decision)
    expectThat(scheduler.precisions.includes(precision), `Undeclared precision ${precision} ${where}.`);
}
