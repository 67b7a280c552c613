/** Stable identifiers of the kinds of failure; programs branch on these, people read the message. */
export type StepdownErrorCode =
  | "invalid-argument"
  | "invalid-file"
  | "missing-file"
  | "checksum-mismatch"
  | "precision-unavailable"
  | "context-exceeded"
  | "unsupported"
  | "invalid-schedule"
  | "out-of-memory"
  | "output-failed";

/** What an error is built from. */
export interface StepdownErrorOptions {
  /** The lower-level error that led here, if any. */
  cause?: unknown;
}

const marker: symbol = Symbol.for("stepdown.error");

/**
 * Base class of every error this project throws on purpose.
 *
 * The message says what was asked, what was found and what to try. The symbol marker makes {@link StepdownError.isInstance}
 * work across two installed copies of a package, where `instanceof` would not.
 */
export class StepdownError extends Error {
  /** Kind of failure. */
  readonly code: StepdownErrorCode;

  constructor(code: StepdownErrorCode, message: string, options: StepdownErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "StepdownError";
    this.code = code;
    Object.defineProperty(this, marker, { value: true });
  }

  /** Whether a value is an error of this project, whichever copy of the package made it. */
  static isInstance(value: unknown): value is StepdownError {
    return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[marker] === true;
  }
}
