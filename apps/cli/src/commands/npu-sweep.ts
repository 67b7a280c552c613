import { type DesignSpace, sweepDesigns } from "@stepdown/npu-model";
import { type Command, Option } from "commander";
import type { CommandContext } from "../command-context.js";
import { sweepSpecification } from "../npu/charts/sweep-chart.js";
import { addChartOption, writeChart } from "../npu/charts/write-chart.js";
import { addCostOptions, type CostOptions, chooseCost, costDocument, describeCost } from "../npu/cost-options.js";
import { positiveList, precisionList } from "../npu/pass-options.js";
import { formatPercent, formatRate, formatSi } from "../npu/si-units.js";
import { withExamples } from "../options/examples.js";
import { integer } from "../options/parse.js";
import { formatTable } from "../output/table.js";

interface SweepOptions extends CostOptions {
  readonly bandwidths: readonly number[];
  readonly macs: readonly number[];
  readonly bits: readonly number[];
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly out?: string;
  readonly json?: boolean;
}

/** From a phone's memory to a graphics card's, and units on both sides of the break-even line. */
const DEFAULT_BANDWIDTHS: readonly number[] = [8, 16, 32, 64, 128, 256, 512];
const DEFAULT_MACS: readonly number[] = [16, 32, 64, 128, 256, 512, 1024, 4096, 16_384];

/** `stepdown npu sweep`: a grid of machines, and the line on which memory and compute take equally long. */
export function addNpuSweepCommand(npu: Command, context: CommandContext): void {
  const command = npu
    .command("sweep")
    .description("A grid of bandwidths and compute units, with the line between memory and compute.");
  addCostOptions(command, { hardware: "NPU-S" })
    .option("--bandwidths <list>", "GB/s (10⁹ bytes)", positiveList, DEFAULT_BANDWIDTHS)
    .option("--macs <list>", "multiply-accumulates per cycle", positiveList, DEFAULT_MACS)
    .option("--bits <list>", "precisions", precisionList, [2, 3, 4, 16])
    .addOption(new Option("--prompt-tokens <n>", "length of the prompt, tokens").argParser(integer(1)).default(512))
    .addOption(new Option("--new-tokens <n>", "length of the answer, tokens").argParser(integer(2)).default(128));
  addChartOption(command).option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["stepdown npu sweep --model phi-1_5 --out sweep.svg", "the grid around NPU-S"],
    [
      "stepdown npu sweep --model vicuna-7b-v1.5 --hardware mine.json --bandwidths 50,100 --macs 64,256 --bits 4",
      "your own",
    ],
  ]);
  command.action(async (options: SweepOptions) => {
    const { request } = await chooseCost(options, context.signal);
    const { promptTokens, newTokens, bits, macs } = options;
    const space = sweepDesigns({
      ...request,
      workload: { promptTokens, newTokens },
      bandwidthsBytesPerSecond: options.bandwidths.map((gigabytes) => gigabytes * 1e9),
      macsPerCycle: macs,
      bits,
    });
    const heading = [
      describeCost(request),
      `prompt of ${promptTokens} tokens, answer of ${newTokens}, ${formatSi(request.hardware.frequencyHertz, "Hz")}`,
    ];
    const text = `${heading.join("\n")}\n\n${formatSpace(space)}\n`;
    if (options.out !== undefined) await writeChart(options.out, sweepSpecification(space, heading), text, context);
    context.print(
      options.json ? `${JSON.stringify({ ...costDocument(request), promptTokens, newTokens, ...space })}\n` : text,
    );
  });
}

function formatSpace({ points, breakEven }: DesignSpace): string {
  const gigabytes = (bytesPerSecond: number): string => formatSi(bytesPerSecond, "B/s");
  return [
    formatTable(
      [
        "bandwidth",
        "MACs/cycle",
        "bits",
        "tokens/s",
        "first token",
        "energy/token",
        "bandwidth used",
        "decode limited by",
      ],
      points.map((point) => [
        gigabytes(point.bandwidthBytesPerSecond),
        String(point.macsPerCycle),
        String(point.bits),
        formatRate(point.tokensPerSecond),
        formatSi(point.timeToFirstTokenSeconds, "s"),
        formatSi(point.joulesPerToken, "J"),
        formatPercent(point.bandwidthUtilization),
        point.decodeLimit,
      ]),
    ),
    "Break-even: with fewer multiply-accumulates per cycle compute is the limit, with more memory is.",
    formatTable(
      ["bandwidth", "bits", "decode, MACs/cycle", "prefill, MACs/cycle"],
      breakEven.map((point) => [
        gigabytes(point.bandwidthBytesPerSecond),
        String(point.bits),
        formatRate(point.decodeMacsPerCycle),
        formatRate(point.prefillMacsPerCycle),
      ]),
    ),
  ].join("\n\n");
}
