import type { Command } from "commander";
import type { CommandContext } from "../command-context.js";
import { ForwardedExit } from "../failure.js";

/** `stepdown bench`: the bench app under this name; its options are its own. */
export function addBenchCommand(program: Command, context: CommandContext): void {
  program
    .command("bench")
    .description("Measure kernels, decode, prefill, loading and quantizing; compare two results.")
    .argument("[arguments...]", "see stepdown bench --help")
    .allowUnknownOption()
    .helpOption(false)
    .action(async (_: readonly string[], __: object, command: Command) => {
      const { runBench } = await import("@stepdown/bench");
      const { print, tell, signal } = context;
      throw new ForwardedExit(await runBench(command.args, { print, tell, signal, name: "stepdown bench" }));
    });
}
