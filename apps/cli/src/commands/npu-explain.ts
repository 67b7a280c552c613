import {
  breakEvenMacsPerCycle,
  explainForward,
  machineBalance,
  priceForward,
  summarizeForward,
} from "@stepdown/npu-model";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.js";
import { addCostOptions, type CostOptions, chooseCost, costDocument, describeCost } from "../npu/cost-options.js";
import { addPassOptions, type PassOptions, passesOf, precision } from "../npu/pass-options.js";
import { formatRate, formatSi } from "../npu/si-units.js";
import { withExamples } from "../options/examples.js";
import { number } from "../options/parse.js";

interface ExplainOptions extends CostOptions, PassOptions {
  readonly bits: number;
  readonly minimumShare: number;
  readonly json?: boolean;
}

/** `stepdown npu explain`: what limits each operator, in words. */
export function addNpuExplainCommand(npu: Command, context: CommandContext): void {
  const command = npu.command("explain").description("What limits each operator, in words.");
  addPassOptions(addCostOptions(command))
    .option("--bits <n>", "precision of the passes", precision, 4)
    .option("--minimum-share <percent>", "leave out operators below this share of a pass", number(0, 100), 1)
    .option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["stepdown npu explain --model phi-1_5 --hardware NPU-S --bits 4", "a decode step and a prompt"],
    [
      "stepdown npu explain --model vicuna-7b-v1.5 --hardware NPU-L --bits 2 --phase decode --context 4000",
      "long context",
    ],
  ]);
  command.action(async (options: ExplainOptions) => {
    const cost = await chooseCost(options, context.signal);
    const request = options.bits >= 16 ? cost.floatRequest : cost.request;
    const balance = machineBalance(request.hardware, options.bits);
    const passes = passesOf(request, options.bits, options).map((pass) => {
      const priced = priceForward(pass);
      return {
        phase: pass.phase!,
        seconds: priced.seconds,
        limit: priced.limit,
        summary: summarizeForward(priced),
        breakEvenMacsPerCycle: breakEvenMacsPerCycle(pass),
        operators: explainForward(priced, { minimumShare: options.minimumShare / 100 }),
      };
    });
    if (options.json) {
      context.print(`${JSON.stringify({ ...costDocument(request), bits: options.bits, balance, passes })}\n`);
      return;
    }
    const machine =
      `At ${options.bits} bits ${formatSi(balance.weightsPerSecond, " weights/s")} arrive; ${formatRate(balance.macsPerCycleToKeepUp)} MACs per cycle keep up with them, ` +
      `and ${formatRate(balance.tokensPerWeightPass)} tokens can share a pass before compute is the limit.`;
    const texts = passes.map(({ summary, breakEvenMacsPerCycle: even, operators }) =>
      [
        `${summary} Memory and compute would balance at ${formatRate(even)} MACs per cycle.`,
        ...operators.map(({ sentence }) => `  - ${sentence}`),
      ].join("\n"),
    );
    context.print(`${[`${describeCost(request)}\n${machine}`, ...texts].join("\n\n")}\n`);
  });
}
