/** What a run of the bench gets from its surroundings: where to write, when to stop. */
export interface BenchIo {
  /** Writes results. */
  readonly print: (text: string) => void;
  /** Writes everything that is not a result: progress, warnings, errors. */
  readonly tell: (text: string) => void;
  /** Stops the run; nothing is printed then. */
  readonly signal: AbortSignal;
  /** How the command is called in help and errors. Default: "stepdown-bench". */
  readonly name?: string;
}
