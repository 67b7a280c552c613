/** What every command gets from its surroundings: where to write, how to report progress, when to stop. */
import type { ProgressListener } from "@stepdown/core";

/** Surroundings of one run of the command line. */
export interface CommandContext {
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Writes to standard output. */
  readonly print: (text: string) => void;
  /** Writes to standard error: everything that is not the result. */
  readonly tell: (text: string) => void;
  /** Whether standard output is a terminal that shows colours. */
  readonly colors: boolean;
  /** Whether standard output is a terminal. */
  readonly interactive: boolean;
  /** Begins a progress display on standard error. */
  readonly startProgress: () => ProgressDisplay;
}

/** A progress display; `finish` removes or completes it. */
export interface ProgressDisplay {
  readonly onProgress: ProgressListener;
  readonly finish: () => void;
}
