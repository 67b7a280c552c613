import { StepdownError, type StepdownErrorOptions } from "./stepdown-error.js";

/** Thrown when the bytes of a file do not have the checksum that was recorded for them. */
export class ChecksumMismatchError extends StepdownError {
  constructor(message: string, options: StepdownErrorOptions = {}) {
    super("checksum-mismatch", message, options);
    this.name = "ChecksumMismatchError";
  }
}
