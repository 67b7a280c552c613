/**
 * Metrics that need only logits and precision traces: perplexity, KL divergence, average bits, and what is needed to say
 * how certain they are. They load nothing and print nothing; which text is scored, and how results are shown, is the
 * caller's business. Read next: `perplexity.ts` for the protocol, `compare-logits.ts` for what is compared per token,
 * `average-bits.ts` for the four averages and how they differ.
 */
export * from "./average-bits.js";
export * from "./compare-logits.js";
export * from "./divergence-from-float.js";
export * from "./forward-slices.js";
export * from "./negative-log-likelihood.js";
export * from "./perplexity.js";
export * from "./reference-average-bits.js";
export * from "./statistics.js";
