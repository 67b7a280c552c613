import type {
  DecodeStep,
  KeyValues,
  LogitStatistics,
  PrecisionDecision,
  PrefillOutcome,
  ScheduleRequest,
  Scheduler,
} from "@stepdown/core";
import { createRandom } from "../checks/random.js";

/** What the features show a scheduler. */
export type FeatureKind = "random" | "zeros";

/** Options of {@link driveSchedule}. */
export interface DriveOptions {
  /** Index of the first decide call: 0 as the contract says, 1 as the reference implementation calls. Default 0. */
  readonly firstIndex?: number;
  /** Seed of the features' numbers. Default 1. */
  readonly seed?: number;
  readonly featureKind?: FeatureKind;
  /** Shape of the last block's keys and values. Default 2 heads of 8. */
  readonly keyValueHeads?: number;
  readonly headDimension?: number;
  /** Called when the scheduler reads a feature it did not declare. */
  readonly onUndeclared?: (feature: string) => void;
}

/** All decisions of one sequence. */
export interface DrivenSchedule {
  readonly prefill: PrecisionDecision;
  readonly decode: readonly PrecisionDecision[];
}

/**
 * Plays the runtime's part for one sequence, up to index `maximumNewTokens` inclusive, which is as far as any generation
 * loop goes. Yields after each decision, so that several sequences can be interleaved.
 */
export async function* driveSchedule(
  scheduler: Scheduler,
  request: ScheduleRequest,
  options: DriveOptions = {},
): AsyncGenerator<PrecisionDecision, DrivenSchedule> {
  const { firstIndex = 0, seed = 1 } = options;
  const sequence = scheduler.start(request);
  const prefill = sequence.prefill;
  yield prefill;
  await sequence.observePrefill?.(prefillOutcome(scheduler, request, options));
  const decode: PrecisionDecision[] = [];
  for (let index = firstIndex; index <= request.maximumNewTokens; index++) {
    const previous = decode.at(-1);
    const decision = await sequence.decide(decodeStep(scheduler, request, index, previous, { ...options, seed }));
    decode.push(decision);
    yield decision;
  }
  return { prefill, decode };
}

/** Runs {@link driveSchedule} to its end. */
export async function driveToEnd(
  scheduler: Scheduler,
  request: ScheduleRequest,
  options?: DriveOptions,
): Promise<DrivenSchedule> {
  const run = driveSchedule(scheduler, request, options);
  for (;;) {
    const { done, value } = await run.next();
    if (done) return value;
  }
}

function prefillOutcome(scheduler: Scheduler, request: ScheduleRequest, options: DriveOptions): PrefillOutcome {
  const { promptTokens } = request;
  const outcome = { promptTokens };
  const { features = {} } = scheduler;
  provide(outcome, "lastBlock", features.lastBlockKeyValues, () => keyValues(promptTokens, options), options);
  provide(outcome, "logits", features.logitStatistics, () => logitStatistics(0, options), options);
  return outcome;
}

function decodeStep(
  scheduler: Scheduler,
  request: ScheduleRequest,
  index: number,
  previous: PrecisionDecision | undefined,
  options: DriveOptions,
): DecodeStep {
  const step = { index, previous };
  const { features = {} } = scheduler;
  const read = () => async (): Promise<KeyValues> => keyValues(request.promptTokens + index, options);
  provide(step, "lastBlock", features.lastBlockKeyValues, read, options);
  provide(step, "logits", features.logitStatistics, () => logitStatistics(index, options), options);
  const measured = () => ({ stepMilliseconds: options.featureKind === "zeros" ? 0 : 10 + (index % 7) });
  provide(step, "telemetry", features.telemetry, measured, options);
  return step;
}

/** Sets a declared feature; makes an undeclared one report that it was read. */
function provide(
  target: object,
  name: string,
  declared: boolean | undefined,
  make: () => unknown,
  options: DriveOptions,
) {
  if (declared) Object.defineProperty(target, name, { value: make(), enumerable: true });
  else
    Object.defineProperty(target, name, {
      get: () => {
        options.onUndeclared?.(name);
        return undefined;
      },
    });
}

function keyValues(positions: number, options: DriveOptions): KeyValues {
  const { keyValueHeads = 2, headDimension = 8, seed = 1, featureKind = "random" } = options;
  const keys = new Float32Array(keyValueHeads * positions * headDimension);
  const values = new Float32Array(keys.length);
  for (let head = 0; featureKind === "random" && head < keyValueHeads; head++) {
    // One stream per head, position by position, so that a longer cache begins with the numbers of a shorter one.
    const random = createRandom(seed * 31 + head);
    const from = head * positions * headDimension;
    for (let index = from; index < from + positions * headDimension; index++) {
      keys[index] = random.signed();
      values[index] = random.signed();
    }
  }
  return { keyValueHeads, positions, headDimension, keys, values };
}

function logitStatistics(index: number, { seed = 1, featureKind = "random" }: DriveOptions): LogitStatistics {
  if (featureKind === "zeros") return { maximumProbability: 1, margin: 1, entropy: 0 };
  const maximumProbability = 0.05 + 0.9 * createRandom(seed * 7919 + index).uniform();
  return { maximumProbability, margin: maximumProbability / 2, entropy: 3 * (1 - maximumProbability) };
}
