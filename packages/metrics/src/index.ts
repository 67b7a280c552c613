/**
 * Metrics that need only logits and precision traces: perplexity and average bits. They load nothing and print nothing;
 * which text is scored, and how results are shown, is the caller's business.
 *
 * Read next: `perplexity.ts` for the protocol, `average-bits.ts` for the four averages and how they differ.
 */
export * from "./average-bits.js";
export * from "./negative-log-likelihood.js";
export * from "./perplexity.js";
export * from "./reference-average-bits.js";
