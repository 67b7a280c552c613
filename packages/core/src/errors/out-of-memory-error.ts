import { StepdownError, type StepdownErrorOptions } from "./stepdown-error.js";

/** Thrown when memory for weights or caches cannot be had; the message names the precision that would fit, if one does. */
export class OutOfMemoryError extends StepdownError {
  constructor(message: string, options: StepdownErrorOptions = {}) {
    super("out-of-memory", message, options);
    this.name = "OutOfMemoryError";
  }
}
