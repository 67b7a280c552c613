import type { Command } from "commander";

/** Puts examples at the top of a command's help, before the list of options. */
export function withExamples(command: Command, examples: readonly (readonly [line: string, meaning: string])[]): void {
  const name = command.parent?.name() ?? "";
  const lines = examples.map(([line, meaning]) => [`${name} ${line}`, meaning] as const);
  const width = Math.max(...lines.map(([line]) => line.length));
  command.addHelpText(
    "before",
    `Examples:\n${lines.map(([line, meaning]) => `  ${line.padEnd(width)}  # ${meaning}\n`).join("")}`,
  );
}
