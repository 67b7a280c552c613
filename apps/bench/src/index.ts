/**
 * The bench app as a function: runs one command line of `stepdown-bench` for another program, and the form of the JSON
 * documents it prints. It ignores how results are looked at later; that is for readers of the documents.
 *
 * Read next: `measurement/measure-variants.ts` for how time is taken, `engines/engine.ts` for what can be measured.
 */
export type { BenchIo } from "./bench-io.js";
export * from "./quality/quality-document.js";
export type { MeanAndError, PairRow, QualityRow } from "./quality/summarize.js";
export * from "./report/result-document.js";
export { runBench } from "./run-bench.js";
