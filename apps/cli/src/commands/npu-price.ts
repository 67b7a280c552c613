import { InvalidArgumentError, type Precision, type PrecisionDecision, type PrecisionTrace } from "@stepdown/core";
import { type GenerationCost, priceGeneration, uniformTrace } from "@stepdown/npu-model";
import { type Command, Option } from "commander";
import type { CommandContext } from "../command-context.js";
import {
  addCostOptions,
  type ChosenCost,
  type CostOptions,
  chooseCost,
  costDocument,
  describeCost,
} from "../npu/cost-options.js";
import { formatOperators, formatRuns, formatSteps } from "../npu/price-tables.js";
import { type PricedRun, runDocument } from "../npu/priced-run.js";
import { readJsonObject } from "../npu/read-json-file.js";
import { traceOfSchedule } from "../npu/schedule-trace.js";
import { readTrace } from "../npu/trace-document.js";
import { withExamples } from "../options/examples.js";
import { collect, integer } from "../options/parse.js";

interface PriceOptions extends CostOptions {
  readonly schedule?: readonly string[];
  readonly trace?: string;
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly uniform?: Precision;
  readonly operators?: boolean;
  readonly steps?: boolean;
  readonly json?: boolean;
}

/** Prompt and answer of a summary or a longer chat turn, tokens. */
const DEFAULT_WORKLOAD = { promptTokens: 512, newTokens: 256 } as const;

/** `stepdown npu` without a subcommand: what a schedule or a recorded generation costs. */
export function addNpuPriceCommand(npu: Command, context: CommandContext): void {
  const command = npu
    .command("price", { isDefault: true })
    .description("Time, tokens/s, traffic and energy of a schedule or a recorded generation; the default.")
    .usage("[options]");
  addCostOptions(command)
    .addOption(
      new Option("--schedule <schedule>", "4 | 4,3@85 | 4,3@50% | 8:4,3@85 | 16, repeatable")
        .argParser(collect)
        .conflicts("trace"),
    )
    .option("--trace <file>", "what generate --json printed (- for standard input)")
    .addOption(promptOption().conflicts("trace"))
    .addOption(
      new Option("--new-tokens <n>", "length of the answer, tokens")
        .argParser(integer(2))
        .default(DEFAULT_WORKLOAD.newTokens)
        .conflicts("trace"),
    )
    .option("--uniform <bits>", "bits of the uniform run beside it (default: the most in decode)", integer(1, 8))
    .option("--operators", "where the time goes, operator by operator")
    .option("--steps", "every decode step")
    .option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["stepdown npu --model phi-1_5 --hardware NPU-S --schedule 4,3@85", "built-in shape, built-in machine"],
    ["stepdown npu --model ./nested --hardware mine.json --trace run.json --steps", "what generate --json wrote"],
    [
      "stepdown npu --model vicuna-7b-v1.5 --hardware NPU-L --schedule 3 --schedule 3,2@40 --operators",
      "two schedules",
    ],
  ]);
  command.action(async (options: PriceOptions) => {
    const cost = await chooseCost(options, context.signal);
    const runs = priceRuns(await collectTraces(options, cost), options, cost);
    warnOfLength(runs, cost, context);
    if (options.json) {
      const document = {
        ...costDocument(cost.request),
        runs: runs.map((run) => runDocument(run, { operators: options.operators, steps: options.steps })),
      };
      context.print(`${JSON.stringify(document)}\n`);
      return;
    }
    const scheduled = runs.filter((run) => run.kind !== "uniform");
    const [{ cost: first }] = runs as [PricedRun];
    const parts = [
      `${describeCost(cost.request)}\nprompt of ${first.promptTokens} tokens, answer of ${first.newTokens}`,
      formatRuns(runs),
      ...(options.operators ? scheduled.map((run) => formatOperators(run)) : []),
      ...(options.steps ? scheduled.map((run) => formatSteps(run)) : []),
    ];
    context.print(`${parts.join("\n\n")}\n`);
  });
}

/** `--prompt-tokens`, as the other subcommands have it, too. */
export function promptOption(): Option {
  return new Option("--prompt-tokens <n>", "length of the prompt, tokens")
    .argParser(integer(1))
    .default(DEFAULT_WORKLOAD.promptTokens);
}

interface NamedTrace {
  readonly name: string;
  readonly kind: "schedule" | "trace";
  readonly trace: PrecisionTrace;
}

async function collectTraces(options: PriceOptions, { request }: ChosenCost): Promise<readonly NamedTrace[]> {
  if (options.trace !== undefined) {
    const trace = readTrace(
      await readJsonObject(options.trace),
      options.trace === "-" ? "standard input" : options.trace,
    );
    return [{ name: "trace", kind: "trace", trace }];
  }
  if (options.schedule === undefined)
    throw new InvalidArgumentError(
      "Nothing to price. Give --schedule 4,3@85, or --trace with what generate --json printed.",
    );
  const traces: NamedTrace[] = [];
  for (const name of new Set(options.schedule))
    traces.push({ name, kind: "schedule", trace: await traceOfSchedule(name, options, request.model.blocks) });
  return traces;
}

/** The runs asked for, then the same workload at one precision: the highest of decode, and half-precision floats. */
function priceRuns(traces: readonly NamedTrace[], options: PriceOptions, cost: ChosenCost): readonly PricedRun[] {
  const workload = { promptTokens: traces[0]!.trace.promptTokens, newTokens: traces[0]!.trace.decode.length + 1 };
  const highest = traces.map(({ trace }) =>
    trace.decode.reduce((most: number, bits) => Math.max(most, highestOf(bits)), 0),
  );
  const bits = options.uniform ?? Math.max(...highest);
  const price = (trace: PrecisionTrace, precision?: Precision): GenerationCost =>
    priceGeneration({ ...(precision !== undefined && precision >= 16 ? cost.floatRequest : cost.request), trace });
  const uniform = price(uniformTrace(workload, bits), bits);
  const float = price(uniformTrace(workload, 16), 16);
  const named = traces.map(({ name, kind, trace }) => {
    const fixed = onlyPrecision(trace);
    return { name, kind, trace, cost: price(trace, fixed), fixed };
  });
  const against = { bits, uniform, float };
  return [
    ...named.map(({ fixed: _, ...run }) => ({ ...run, against })),
    // A schedule that is itself one of the two is not shown twice.
    ...[
      { precision: bits, name: bits === 16 ? "fp16" : `uniform ${bits}`, cost: uniform },
      ...(bits === 16 ? [] : [{ precision: 16, name: "fp16", cost: float }]),
    ]
      .filter(({ precision }) => !named.some(({ fixed }) => fixed === precision))
      .map(({ name, precision, cost: uniformCost }) => {
        const trace = uniformTrace(workload, precision);
        return { name, kind: "uniform" as const, trace, cost: uniformCost, against };
      }),
  ];
}

function highestOf(decision: PrecisionDecision): number {
  return typeof decision === "number" ? decision : Math.max(...decision);
}

/** The one precision of all passes, prompt included, or `undefined` where there are several. */
function onlyPrecision({ prefill, decode }: PrecisionTrace): Precision | undefined {
  if (typeof prefill !== "number") return undefined;
  return decode.every((bits) => bits === prefill) ? prefill : undefined;
}

function warnOfLength(runs: readonly PricedRun[], { request }: ChosenCost, context: CommandContext): void {
  const most = request.model.contextTokens;
  const length = Math.max(...runs.map(({ cost }) => cost.promptTokens + cost.newTokens - 1));
  if (most !== undefined && length > most)
    context.tell(`note: prompt and answer need ${length} positions; ${request.model.name} was made for ${most}\n`);
}
