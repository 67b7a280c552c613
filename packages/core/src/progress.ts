/** What a {@link Progress} counts. */
export type ProgressUnit = "bytes" | "weights" | "tokens" | "tensors" | "steps";

/** One report of progress. Reports of one phase have non-decreasing `done`; the last one has `done === total`. */
export interface Progress {
  /** Name of the part of the work, for people: "quantizing", "loading weights". */
  phase: string;
  /** Units finished so far. */
  done: number;
  /** Units in all, or `undefined` where nobody can know. */
  total: number | undefined;
  /** What is counted. */
  unit: ProgressUnit;
  /** What is being worked on just now, for example a tensor name. Absent when there is nothing to add. */
  detail?: string;
}

/** Called with every report. It must not throw; the caller does not wait for it. */
export type ProgressListener = (progress: Progress) => void;

/** The last two options of everything that waits. */
export interface WaitOptions {
  /** Stops the work; the call then rejects with the signal's reason. Default: runs to its end. */
  signal?: AbortSignal;
  /** Receives progress reports. Default: none. */
  onProgress?: ProgressListener;
}
