import type { Command } from "commander";
import type { CommandContext } from "../command-context.js";
import { unknownName } from "../npu/nearest-name.js";
import { withExamples } from "../options/examples.js";
import { addNpuExplainCommand } from "./npu-explain.js";
import { addNpuFigureCommand } from "./npu-figure.js";
import { addNpuFitCommand } from "./npu-fit.js";
import { addNpuPriceCommand } from "./npu-price.js";
import { addNpuRooflineCommand } from "./npu-roofline.js";
import { addNpuSweepCommand } from "./npu-sweep.js";

/** `stepdown npu`: schedules, design questions and measurements on the model of a machine that need not exist. */
export function addNpuCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("npu")
    .description("Price a precision schedule on described hardware: time, traffic, energy. No weights needed.")
    // What stands after a subcommand's name belongs to the subcommand.
    .enablePositionalOptions()
    .usage("[options of price] | <subcommand> [options]");
  withExamples(command, [
    ["stepdown npu --model phi-1_5 --hardware NPU-S --schedule 4,3@85", "a schedule, beside fp16 and 4 bits"],
    ["stepdown generate … --json | stepdown npu --model DIR --hardware NPU-S --trace -", "a real generation"],
    ["stepdown npu figure --out figure.svg", "the published figure, from this model"],
    ["stepdown npu sweep --model phi-1_5 --out sweep.html", "which machine is balanced"],
    ["stepdown npu explain --model phi-1_5 --hardware NPU-S --bits 4", "what limits each operator"],
    ["stepdown npu fit bench.json --out this-machine.json", "describe a measured machine"],
  ]);
  addNpuPriceCommand(command, context);
  addNpuFigureCommand(command, context);
  addNpuRooflineCommand(command, context);
  addNpuSweepCommand(command, context);
  addNpuExplainCommand(command, context);
  addNpuFitCommand(command, context);
  // A misspelt subcommand would otherwise be told that it lacks the options of the default one.
  command.hook("preSubcommand", (npu) => {
    const [word] = npu.args;
    const names = npu.commands.map((subcommand) => subcommand.name());
    if (word !== undefined && !word.startsWith("-") && !names.includes(word))
      throw unknownName("subcommand of npu", word, names);
  });
}
