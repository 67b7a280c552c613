/** Runs the built command line as a user's shell would. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What one run left behind. */
export interface StepdownRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** Sensitivities measured by tests stay out of the user's own cache. */
const cache = mkdtempSync(join(tmpdir(), "stepdown-cache-"));
process.on("exit", () => rmSync(cache, { recursive: true, force: true }));

/** Runs `stepdown` with arguments; `input` goes to standard input. */
export async function stepdown(
  args: readonly string[],
  options: { input?: string; cwd?: string } = {},
): Promise<StepdownRun> {
  if (!existsSync(main)) throw new Error("apps/cli/dist is missing: `npm test` builds it, or run `npm run build`");
  const child = spawn(process.execPath, [main, ...args], {
    cwd: options.cwd,
    env: { STEPDOWN_CACHE: cache, ...process.env, NO_COLOR: "1", NODE_OPTIONS: "" },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.end(options.input ?? "");
  const exitCode = await new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
  return { exitCode, stdout, stderr };
}
