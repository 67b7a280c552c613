/**
 * Schedulers whose decisions do not depend on the prompt: fixed, phase-aware, static, and the shorthand they are written
 * in. They know neither model nor runtime, only the index of the next decode forward pass.
 *
 * Read next: `planned-scheduler.ts` for what a switch point means exactly, `parse-schedule.ts` for the grammar.
 */
export * from "./fixed-scheduler.js";
export * from "./format-schedule.js";
export * from "./parse-schedule.js";
export * from "./phase-aware-scheduler.js";
export * from "./schedule-plan.js";
export * from "./scheduler-from-text.js";
export * from "./static-scheduler.js";
