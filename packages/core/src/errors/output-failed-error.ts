import { StepdownError, type StepdownErrorOptions } from "./stepdown-error.js";

/** Thrown when results cannot be written where they were asked to go. Nothing half-written is left behind. */
export class OutputFailedError extends StepdownError {
  constructor(message: string, options: StepdownErrorOptions = {}) {
    super("output-failed", message, options);
    this.name = "OutputFailedError";
  }
}
