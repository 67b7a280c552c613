/** Runs a command line of the bench in this process and keeps what it writes. */
import { runBench } from "../run-bench.js";

/** What one run left behind. */
export interface BenchRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the bench with arguments; `onTell` sees every line about what is going on. */
export async function bench(
  argv: readonly string[],
  options: { signal?: AbortSignal; onTell?: (text: string) => void } = {},
): Promise<BenchRun> {
  const { signal = new AbortController().signal, onTell } = options;
  let stdout = "";
  let stderr = "";
  const exitCode = await runBench(argv, {
    print: (text) => {
      stdout += text;
    },
    tell: (text) => {
      stderr += text;
      onTell?.(text);
    },
    signal,
  });
  return { exitCode, stdout, stderr };
}
