import { StepdownError, type StepdownErrorOptions } from "./stepdown-error.js";

/** Thrown when a sequence would grow beyond the positions the model or its cache can hold. */
export class ContextExceededError extends StepdownError {
  constructor(message: string, options: StepdownErrorOptions = {}) {
    super("context-exceeded", message, options);
    this.name = "ContextExceededError";
  }
}
