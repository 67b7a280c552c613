import { StepdownError, type StepdownErrorOptions } from "./stepdown-error.js";

/** Thrown when a precision is asked for that the model does not hold or has not loaded. */
export class PrecisionUnavailableError extends StepdownError {
  constructor(message: string, options: StepdownErrorOptions = {}) {
    super("precision-unavailable", message, options);
    this.name = "PrecisionUnavailableError";
  }
}
