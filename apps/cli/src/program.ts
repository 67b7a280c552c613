/** The command line as a whole: commands, help, exit codes. Arithmetic lives in the packages. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import pc from "picocolors";
import type { CommandContext } from "./command-context.js";
import { addBenchCommand } from "./commands/bench.js";
import { addChatCommand } from "./commands/chat.js";
import { addDemoCommand } from "./commands/demo.js";
import { addGenerateCommand } from "./commands/generate.js";
import { addInspectCommand } from "./commands/inspect.js";
import { addNpuCommand } from "./commands/npu.js";
import { addPerplexityCommand } from "./commands/perplexity.js";
import { addQuantizeCommand } from "./commands/quantize.js";
import { describeFailure, ForwardedExit } from "./failure.js";
import { createProgressDisplay } from "./output/progress-display.js";

/** Runs one command line (without `node` and the script's name) and returns the exit code. */
export async function runStepdown(argv: readonly string[]): Promise<number> {
  const stop = new AbortController();
  const onInterrupt = () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort(new DOMException("stopped by Ctrl-C", "AbortError"));
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onInterrupt);
  // A reader that went away (`stepdown … | head`) is no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  const context: CommandContext = {
    signal: stop.signal,
    print: (text) => void process.stdout.write(text),
    tell: (text) => void process.stderr.write(text),
    colors: pc.isColorSupported && process.stdout.isTTY === true,
    interactive: process.stdout.isTTY === true,
    startProgress: () => createProgressDisplay(process.stderr),
  };
  try {
    await createProgram(context).parseAsync([...argv], { from: "user" });
    return 0;
  } catch (thrown) {
    if (thrown instanceof ForwardedExit) return thrown.exitCode;
    const failure = describeFailure(thrown, stop.signal.aborted);
    if (failure === undefined) return 0;
    process.stderr.write(`stepdown: ${failure.message}\n`);
    if (argv.includes("--json")) {
      process.stdout.write(`${JSON.stringify({ error: { code: failure.code, message: failure.message } })}\n`);
    }
    return failure.exitCode;
  } finally {
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", onInterrupt);
  }
}

/** The commander program; commands act through the context. */
export function createProgram(context: CommandContext): Command {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  const program = new Command("stepdown")
    .description("Any-precision LLM inference: quantize once, choose the bits for every decoding step.")
    .version(manifest.version, "--version", "show the version")
    .helpOption("-h, --help", "show help")
    .showHelpAfterError("(add --help for the options and examples)")
    .exitOverride()
    .configureOutput({ writeOut: context.print, writeErr: () => {} });
  for (const add of [
    addDemoCommand,
    addInspectCommand,
    addQuantizeCommand,
    addGenerateCommand,
    addChatCommand,
    addPerplexityCommand,
    addBenchCommand,
    addNpuCommand,
  ]) {
    add(program, context);
  }
  return program;
}
