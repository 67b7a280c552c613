import { StepdownError, type StepdownErrorOptions } from "./stepdown-error.js";

/** Thrown when an option or argument has a value that can never work, whatever the files hold. */
export class InvalidArgumentError extends StepdownError {
  constructor(message: string, options: StepdownErrorOptions = {}) {
    super("invalid-argument", message, options);
    this.name = "InvalidArgumentError";
  }
}
