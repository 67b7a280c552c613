/** The trace that a schedule gives on a workload: the schedulers themselves decide, as in a real generation. */
import { MAXIMUM_NESTED_PRECISION, type PrecisionDecision, type PrecisionTrace } from "@stepdown/core";
import type { Workload } from "@stepdown/npu-model";
import { createSchedulerFromText } from "@stepdown/schedulers";

/** Everything that a described machine can be asked for. */
const EVERY_PRECISION: readonly number[] = [
  ...Array.from({ length: MAXIMUM_NESTED_PRECISION }, (_, index) => index + 1),
  16,
  32,
];

/** Runs the scheduler of a shorthand such as `4,3@85` over S − 1 decode passes. */
export async function traceOfSchedule(schedule: string, workload: Workload, blocks: number): Promise<PrecisionTrace> {
  const sequence = createSchedulerFromText(schedule).start({
    promptTokens: workload.promptTokens,
    maximumNewTokens: workload.newTokens,
    blocks,
    available: EVERY_PRECISION,
  });
  const decode: PrecisionDecision[] = [];
  for (let index = 0; index < workload.newTokens - 1; index++)
    decode.push(await sequence.decide({ index, previous: decode.at(-1) }));
  return { promptTokens: workload.promptTokens, prefill: sequence.prefill, decode };
}
