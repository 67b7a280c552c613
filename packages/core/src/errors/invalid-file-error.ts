import { StepdownError, type StepdownErrorOptions } from "./stepdown-error.js";

/** Thrown when a file exists but does not say what its format demands: bad header, impossible offsets, NaN tables, truncation. */
export class InvalidFileError extends StepdownError {
  constructor(message: string, options: StepdownErrorOptions = {}) {
    super("invalid-file", message, options);
    this.name = "InvalidFileError";
  }
}
