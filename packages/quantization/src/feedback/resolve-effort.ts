/**
 * How hard a codec tries: options → what error feedback needs to know.
 */
import { InvalidArgumentError, type Precision, type Sensitivity } from "@stepdown/core";
import type { FeedbackPlan } from "./feedback-plan.js";

/** `quick` looks at weights one by one; the others see all weights of a row together and need moments. */
export type Effort = "quick" | "calibrated" | "best";

const EFFORTS: readonly Effort[] = ["quick", "calibrated", "best"];

/** Options of both codecs that say how hard they try, and for whom. */
export interface EffortOptions {
  /**
   * `quick`: no text needed. `calibrated`: error feedback, sensitivities of kind `moments` needed. `best`: the same, longer.
   * Default: `quick`.
   */
  effort?: Effort;
  /** Precisions that matter; errors at the others count a sixteenth. Not for `quick`. Default: all that there will be. */
  optimizeFor?: readonly Precision[];
}

/**
 * Later rounds gain less than a hundredth each; `best` gains 2 to 5 % of the loss for half again the time. Scales need
 * labels to be fitted to, so that the binary code feeds errors twice; tables start from clusters and need it once.
 */
const WORK = {
  bcq: {
    calibrated: { feeds: 2, rounds: 1, passes: 3 },
    best: { feeds: 2, rounds: 3, passes: 3 },
  },
  codebook: {
    calibrated: { feeds: 1, rounds: 1, passes: 3 },
    best: { feeds: 1, rounds: 3, passes: 3 },
  },
} as const;

/**
 * What an error counts at each precision, by codec and by the lowest precision there is. About the inverse of what errors are,
 * so that planes serve all in proportion; more at the lowest precision, which has the fewest planes to make up for the others'
 * needs. Of the binary code more at 6 and 8 bits, which are there to be as good as the float model, at the cost of 7, and more
 * at 4 where 2 bits draw planes away from it; free tables need less help.
 */
const IMPORTANCE: Readonly<Record<"bcq" | "codebook", Readonly<Record<number, readonly number[]>>>> = {
  bcq: {
    2: [0, 0, 224, 16, 480, 500, 6000, 60, 26000],
    3: [0, 0, 0, 64, 180, 500, 4000, 60, 20000],
    4: [0, 0, 0, 0, 720, 500, 4000, 60, 20000],
  },
  codebook: {
    2: [0, 0, 48, 32, 180, 500, 4000, 8000, 20000],
    3: [0, 0, 0, 128, 180, 500, 4000, 8000, 20000],
    4: [0, 0, 0, 0, 720, 500, 4000, 8000, 20000],
  },
};

/** What errors count at precisions that were not named. */
const UNNAMED = 1 / 16;

/** Checked effort, with its plan unless it is `quick`. */
export interface ResolvedEffort {
  readonly effort: Effort;
  readonly optimizeFor?: readonly Precision[];
}

/** Fills in defaults; refuses unknown efforts and precisions that there will not be. */
export function resolveEffort(
  { effort = "quick", optimizeFor }: EffortOptions,
  { seedBits, bits }: { seedBits: Precision; bits: Precision },
): ResolvedEffort {
  if (!EFFORTS.includes(effort)) {
    throw new InvalidArgumentError(`The effort is ${JSON.stringify(effort)}; known efforts are ${EFFORTS.join(", ")}.`);
  }
  if (optimizeFor === undefined) return { effort };
  if (effort === "quick") {
    throw new InvalidArgumentError("optimizeFor needs the effort calibrated or best; quick weighs precisions alike.");
  }
  const wrong = optimizeFor.find((p) => !(Number.isInteger(p) && p >= seedBits && p <= bits));
  if (wrong !== undefined || optimizeFor.length === 0) {
    throw new InvalidArgumentError(
      `optimizeFor is [${optimizeFor.join(", ")}]; it has to name precisions from ${seedBits} to ${bits}.`,
    );
  }
  return { effort, optimizeFor: [...new Set(optimizeFor)].sort((a, b) => a - b) };
}

/** The plan of an effort with feedback. */
export function planOf(
  codec: keyof typeof WORK,
  effort: Exclude<Effort, "quick">,
  { seedBits, optimizeFor }: { readonly seedBits: Precision; readonly optimizeFor?: readonly Precision[] | undefined },
): FeedbackPlan {
  const factorOf = (p: Precision): number => (optimizeFor === undefined || optimizeFor.includes(p) ? 1 : UNNAMED);
  const importance = IMPORTANCE[codec][seedBits]!.map((weight, p) => weight * factorOf(p));
  return { ...WORK[codec][effort], importance };
}

/** The moments that feedback needs; refuses anything else. */
export function requireMoments(sensitivity: Sensitivity | undefined, effort: Effort, name: string): Float32Array {
  if (sensitivity?.kind === "moments") return sensitivity.values;
  const found = sensitivity === undefined ? "no sensitivity" : `a sensitivity of kind "${sensitivity.kind}"`;
  throw new InvalidArgumentError(
    `The effort ${effort} needs second moments of the inputs of ${name} and found ${found}. Give a calibration text, or choose the effort quick.`,
  );
}
