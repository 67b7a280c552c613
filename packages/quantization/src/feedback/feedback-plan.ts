/** How much work goes into a row. */
export interface FeedbackPlan {
  /** By precision, from index 0: what its error counts; the planes are shared. */
  readonly importance: readonly number[];
  /** Times that labels are found by feedback, scales being fitted in between; at least 1. */
  readonly feeds: number;
  /** Rounds of scales and labels that follow; at least 1. */
  readonly rounds: number;
  /** Passes of descent over the labels in a round, at most. */
  readonly passes: number;
}
