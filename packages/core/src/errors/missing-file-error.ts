import { StepdownError, type StepdownErrorOptions } from "./stepdown-error.js";

/** Thrown when a file, directory or tensor that is needed is not there. */
export class MissingFileError extends StepdownError {
  constructor(message: string, options: StepdownErrorOptions = {}) {
    super("missing-file", message, options);
    this.name = "MissingFileError";
  }
}
