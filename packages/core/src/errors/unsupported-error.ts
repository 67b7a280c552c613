import { StepdownError, type StepdownErrorOptions } from "./stepdown-error.js";

/** Thrown when something is well-formed but not implemented here: an architecture, a tensor type, a specification version. */
export class UnsupportedError extends StepdownError {
  constructor(message: string, options: StepdownErrorOptions = {}) {
    super("unsupported", message, options);
    this.name = "UnsupportedError";
  }
}
