import { InvalidArgumentError } from "@stepdown/core";

/** Decode forward passes per precision, as the reference implementation's answer files log them for one turn. */
export type PrecisionLog = Readonly<Record<string, number>>;

/**
 * The published average: per question `Σ bits · count / Σ count` over the logs of its turns, then the plain mean over
 * questions. Questions with empty logs are left out. `undefined` where none is left.
 */
export function referenceAverageBits(questions: readonly (readonly PrecisionLog[])[]): {
  readonly perQuestion: readonly number[];
  readonly average: number | undefined;
} {
  const perQuestion: number[] = [];
  for (const turns of questions) {
    let sum = 0;
    let counts = 0;
    for (const [bits, count] of turns.flatMap((log) => Object.entries(log))) {
      if (!(Number(bits) > 0) || !Number.isSafeInteger(count) || count < 0)
        throw new InvalidArgumentError(`A precision log maps bits to counts; it cannot map "${bits}" to ${count}.`);
      sum += Number(bits) * count;
      counts += count;
    }
    if (counts > 0) perQuestion.push(sum / counts);
  }
  const total = perQuestion.reduce((sum, bits) => sum + bits, 0);
  return { perQuestion, average: perQuestion.length === 0 ? undefined : total / perQuestion.length };
}
