import { type Roofline, rooflinePoints } from "@stepdown/npu-model";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.js";
import { rooflineSpecification } from "../npu/charts/roofline-chart.js";
import { addChartOption, writeChart } from "../npu/charts/write-chart.js";
import {
  addCostOptions,
  type ChosenCost,
  type CostOptions,
  chooseCost,
  costDocument,
  describeCost,
} from "../npu/cost-options.js";
import { addPassOptions, type PassOptions, passesOf, precisionList } from "../npu/pass-options.js";
import { formatRate, formatSi } from "../npu/si-units.js";
import { withExamples } from "../options/examples.js";
import { formatTable } from "../output/table.js";

interface RooflineOptions extends CostOptions, PassOptions {
  readonly bits: readonly number[];
  readonly out?: string;
  readonly json?: boolean;
}

/** The roofline of one forward pass. */
export interface PassRoofline {
  readonly phase: "decode" | "prefill";
  readonly bits: number;
  readonly roofline: Roofline;
}

/** `stepdown npu roofline`: arithmetic per byte of every operator, and the roof it stands under. */
export function addNpuRooflineCommand(npu: Command, context: CommandContext): void {
  const command = npu
    .command("roofline")
    .description("Intensity and speed of every operator under the roof of the machine.");
  addPassOptions(addCostOptions(command)).option("--bits <list>", "precisions", precisionList, [2, 4, 16]);
  addChartOption(command).option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["stepdown npu roofline --model phi-1_5 --hardware NPU-S --bits 2,4,16", "a table"],
    ["stepdown npu roofline --model vicuna-7b-v1.5 --hardware NPU-L --out roofline.svg", "a picture"],
  ]);
  command.action(async (options: RooflineOptions) => {
    const cost = await chooseCost(options, context.signal);
    const passes = options.bits
      .flatMap((bits) => passesOf(requestAt(cost, bits), bits, options))
      .map(
        (pass): PassRoofline => ({
          phase: pass.phase!,
          bits: pass.precision as number,
          roofline: rooflinePoints(pass),
        }),
      );
    const text = `${describeCost(cost.request)}\n${lengths(options)}\n\n${roofs(passes)}\n\n${formatPoints(passes)}\n`;
    if (options.out !== undefined) {
      const heading = [describeCost(cost.request), lengths(options)];
      await writeChart(options.out, rooflineSpecification(passes, heading), text, context);
    }
    const { context: contextTokens, promptTokens } = options;
    const documents = passes.map(({ phase, bits, roofline }) => ({ phase, bits, ...roofline }));
    context.print(
      options.json
        ? `${JSON.stringify({ ...costDocument(cost.request), contextTokens, promptTokens, passes: documents })}\n`
        : text,
    );
  });
}

/** Float passes have a float head. */
function requestAt(cost: ChosenCost, bits: number): ChosenCost["request"] {
  return bits >= 16 ? cost.floatRequest : cost.request;
}

function lengths({ phase, context, promptTokens }: RooflineOptions): string {
  const decode = `decode at ${context} cached tokens`;
  const prefill = `prefill of ${promptTokens} tokens`;
  if (phase === "both") return `${decode}, ${prefill}`;
  return phase === "decode" ? decode : prefill;
}

/** One line per phase; the roof does not depend on the bits. */
function roofs(passes: readonly PassRoofline[]): string {
  return [...new Map(passes.map((pass) => [pass.phase, pass.roofline]))]
    .map(([phase, { peakMacsPerSecond: peak, bandwidthBytesPerSecond: bandwidth, ridgeMacsPerByte: ridge }]) => {
      const parts = [`${phase}: peak ${formatSi(peak, "MAC/s")}`, `memory ${formatSi(bandwidth, "B/s")}`];
      if (Number.isFinite(ridge)) parts.push(`memory is the limit below ${formatRate(ridge)} MACs per byte`);
      return parts.join(", ");
    })
    .join("\n");
}

function formatPoints(passes: readonly PassRoofline[]): string {
  return formatTable(
    ["operator", "phase", "bits", "blocks", "MACs/byte", "reached", "roof", "limited by"],
    passes.flatMap(({ phase, roofline }) =>
      roofline.points.map((point) => [
        point.name,
        phase,
        point.bits === undefined ? "" : String(point.bits),
        String(point.blocks),
        formatRate(point.macsPerByte),
        formatSi(point.macsPerSecond, "MAC/s"),
        formatSi(point.roofMacsPerSecond, "MAC/s"),
        point.limit,
      ]),
    ),
  );
}
