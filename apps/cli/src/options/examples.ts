import type { Command } from "commander";

/** Puts examples at the top of a command's help, before the list of options. */
export function withExamples(
  command: Command,
  examples: readonly (readonly [line: string, meaning: string])[],
): Command {
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, meaning]) => `  ${line.padEnd(width)}  # ${meaning}`);
  return command.addHelpText("before", `Examples:\n${lines.join("\n")}\n`);
}
