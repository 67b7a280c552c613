/**
 * What a peer's process is asked and what it answers. A host does nothing unless it is asked, one question at a time; it
 * takes times itself, so that sending messages is in nobody's figures.
 */

/** A model or matrix to be made ready. */
export type OpenRequest =
  | {
      readonly kind: "model";
      readonly path: string;
      readonly threads: number;
      /** Most tokens of the sequence. */
      readonly capacity: number;
      /** Tokens that stand before each measured run. */
      readonly context: readonly number[];
      /** Tokens of one run: one for a decode step, more for a prefill. */
      readonly tokens: readonly number[];
    }
  | {
      readonly kind: "product";
      readonly rows: number;
      readonly columns: number;
      /** 32: float32; otherwise codes of so many bits in blocks. */
      readonly bits: number;
      readonly blockSize: number;
      /** Matrices used in turn. */
      readonly copies: number;
      readonly threads: number;
      readonly seed: number;
    };

/** Questions; `entries` are the main files of the peer's packages. */
export type HostRequest =
  | { readonly do: "start"; readonly entries: readonly string[]; readonly threads: number }
  | { readonly do: "open"; readonly subject: OpenRequest }
  | { readonly do: "run"; readonly id: number; readonly runs: number }
  | { readonly do: "close"; readonly id: number };

/** What starting tells: which code computes. */
export interface HostStarted {
  readonly kernels: string;
}

/** Something opened; `bytes` where the host knows better what one run reads. */
export interface HostOpened {
  readonly id: number;
  readonly bytes?: number;
}

/** Times of a number of runs together, in milliseconds. */
export interface HostTime {
  readonly milliseconds: number;
  /** Processor time of the host's threads meanwhile. */
  readonly processorTime: number;
  /** Time since the answer before this one, and the processor time used in it: a host that waits should use none. */
  readonly idleMilliseconds: number;
  readonly idleProcessorTime: number;
}

/** An answer. */
export type HostAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string };

/** What one kind of host can do. */
export interface HostProgram {
  start(entries: readonly string[], threads: number): Promise<HostStarted>;
  open(subject: OpenRequest): Promise<OpenedSubject>;
  /** Processor time so far, in milliseconds, where other processes compute for this one. */
  processorTime?(): number;
}

/** What a run may tell: how many runs it really made, or the time that counts instead of the one taken around it. */
export interface RunOutcome {
  readonly made?: number;
  readonly milliseconds?: number;
}

/** Something opened, inside the host. */
export interface OpenedSubject {
  /** Makes at least so many runs. */
  run(runs: number): Promise<void> | Promise<RunOutcome>;
  close(): Promise<void>;
  readonly bytes?: number;
}
