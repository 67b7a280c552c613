import { StepdownError, type StepdownErrorOptions } from "./stepdown-error.js";

/** Thrown when a schedule cannot be read or a scheduler returns a decision it did not declare. */
export class InvalidScheduleError extends StepdownError {
  constructor(message: string, options: StepdownErrorOptions = {}) {
    super("invalid-schedule", message, options);
    this.name = "InvalidScheduleError";
  }
}
