import {
  ASSUMED_PROMPT_TOKENS,
  FITTED_PROMPT_TOKENS,
  type FigureBar,
  PAPER_PROFILE,
  paperFigure,
} from "@stepdown/npu-model";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.js";
import { figureSpecification } from "../npu/charts/figure-chart.js";
import { addChartOption, writeChart } from "../npu/charts/write-chart.js";
import { findProfile } from "../npu/hardware-document.js";
import { lastPart } from "../npu/nearest-name.js";
import { formatError } from "../npu/si-units.js";
import { withExamples } from "../options/examples.js";
import { formatTable } from "../output/table.js";

interface FigureOptions {
  readonly profile: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** `stepdown npu figure`: the published throughput figure from this model, beside the published bars. */
export function addNpuFigureCommand(npu: Command, context: CommandContext): void {
  const command = npu
    .command("figure")
    .description("PMPD's figure of NPU throughput from this model, beside the published bars.")
    .option("--profile <name>", "another accounting: physical charges everything", PAPER_PROFILE.name);
  addChartOption(command).option("--json", "one JSON document on standard output");
  withExamples(command, [
    ["stepdown npu figure", "a table with the errors"],
    ["stepdown npu figure --out figure.html", "a picture"],
    ["stepdown npu figure --profile physical", "what the bars would be with everything charged"],
  ]);
  command.action(async (options: FigureOptions) => {
    const profile = findProfile(options.profile);
    const promptTokens = profile.name === PAPER_PROFILE.name ? FITTED_PROMPT_TOKENS : ASSUMED_PROMPT_TOKENS;
    const bars = paperFigure({ profile, promptTokens });
    const summary = summarize(bars);
    const lines = Object.entries(promptTokens).map(([task, tokens]) => `${task} ${tokens}`);
    const heading = `Tokens per second, profile ${profile.name}, prompts: ${lines.join(", ")} tokens`;
    const closing =
      `${summary.evidenceBars} bars are evidence: root mean square error ${percent(summary.rootMeanSquareError)}, largest ${percent(summary.largestError)}.\n` +
      "* average bits known only from the bar itself, no evidence.";
    const text = `${heading}\n\n${formatBars(bars)}\n\n${closing}\n`;
    if (options.out !== undefined) {
      await writeChart(options.out, figureSpecification(bars, profile.name), text, context);
    }
    context.print(
      options.json ? `${JSON.stringify({ profile: profile.name, promptTokens, ...summary, bars })}\n` : text,
    );
  });
}

/** How far the bars that are evidence lie from the published ones. */
function summarize(bars: readonly FigureBar[]): {
  evidenceBars: number;
  rootMeanSquareError: number;
  largestError: number;
} {
  const errors = bars.filter((bar) => bar.bitsSource !== "backed-out").map((bar) => bar.relativeError);
  return {
    evidenceBars: errors.length,
    rootMeanSquareError: Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length),
    largestError: errors.reduce((worst, error) => Math.max(worst, Math.abs(error)), 0),
  };
}

function formatBars(bars: readonly FigureBar[]): string {
  const group = (bar: FigureBar | undefined): string => (bar === undefined ? "" : `${bar.task} ${lastPart(bar.model)}`);
  return formatTable(
    ["", "scheme", "bits", "model", "published", "error", "speed-up", "label"],
    bars.map((bar, index) => [
      group(bar) === group(bars[index - 1]) ? "" : group(bar),
      bar.scheme,
      `${bar.bits.toFixed(2)}${bar.bitsSource === "backed-out" ? "*" : ""}`,
      bar.tokensPerSecond.toFixed(2),
      bar.publishedTokensPerSecond.toFixed(2),
      formatError(bar.relativeError),
      `${bar.speedup.toFixed(2)}×`,
      bar.publishedSpeedup === undefined ? "" : `${bar.publishedSpeedup.toFixed(1)}×`,
    ]),
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
