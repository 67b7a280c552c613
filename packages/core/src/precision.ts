/**
 * Precision: how many bit planes of a nested weight one forward pass reads.
 *
 * Precision is always an argument. No model, layer or kernel remembers one, so nothing has to be restored after an
 * error and two sequences at different precisions can share a process.
 */

/**
 * Number of bits per weight that a forward pass reads, an integer from 1 to 8 for nested weights.
 *
 * Float models know exactly one precision, the width of their stored numbers: 32 or 16.
 */
export type Precision = number;

/** One precision for all decoder blocks, or one per block (index = block). */
export type PrecisionDecision = Precision | readonly Precision[];

/** Largest precision a nested weight can have: labels are stored in one byte. */
export const MAXIMUM_NESTED_PRECISION = 8;

/** Whether a value is a precision: an integer from 1 to 8, or the float widths 16 and 32. */
export function isPrecision(value: unknown): value is Precision {
  return (
    typeof value === "number" &&
    Number.isInteger(value) &&
    ((value >= 1 && value <= MAXIMUM_NESTED_PRECISION) || value === 16 || value === 32)
  );
}

/** The precision that a decision names for one block. The decision must have been checked against the block count. */
export function precisionOfBlock(decision: PrecisionDecision, block: number): Precision {
  return typeof decision === "number" ? decision : (decision[block] as Precision);
}
