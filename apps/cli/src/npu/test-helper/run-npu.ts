/** Runs `stepdown npu …` in this process, with the sources, and keeps what it printed. */
import type { CommandContext } from "../../command-context.js";
import { describeFailure } from "../../failure.js";
import { createProgram } from "../../program.js";

/** What one run left behind. */
export interface NpuRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command line; `args` begin after `npu`. */
export async function npu(args: readonly string[]): Promise<NpuRun> {
  let stdout = "";
  let stderr = "";
  const context: CommandContext = {
    signal: new AbortController().signal,
    print: (text) => {
      stdout += text;
    },
    tell: (text) => {
      stderr += text;
    },
    colors: false,
    interactive: false,
    startProgress: () => ({ onProgress: () => {}, finish: () => {} }),
  };
  try {
    await createProgram(context).parseAsync(["npu", ...args], { from: "user" });
    return { exitCode: 0, stdout, stderr };
  } catch (thrown) {
    const failure = describeFailure(thrown, false);
    return { exitCode: failure?.exitCode ?? 0, stdout, stderr: `${stderr}${failure?.message ?? ""}` };
  }
}

/** Runs a command line with `--json` that must succeed, and parses its document. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into documents freely.
export async function npuJson(args: readonly string[]): Promise<any> {
  const run = await npu([...args, "--json"]);
  if (run.exitCode !== 0) throw new Error(run.stderr);
  return JSON.parse(run.stdout);
}
