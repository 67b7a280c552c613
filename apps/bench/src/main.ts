#!/usr/bin/env node
import { runBench } from "./run-bench.js";

const stop = new AbortController();
const onInterrupt = (): void => {
  if (stop.signal.aborted) process.exit(130);
  stop.abort(new DOMException("stopped by Ctrl-C", "AbortError"));
};
process.on("SIGINT", onInterrupt);
process.on("SIGTERM", onInterrupt);
// A reader that went away (`stepdown-bench … | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
process.exitCode = await runBench(process.argv.slice(2), {
  print: (text) => void process.stdout.write(text),
  tell: (text) => void process.stderr.write(text),
  signal: stop.signal,
});
process.off("SIGINT", onInterrupt);
process.off("SIGTERM", onInterrupt);
