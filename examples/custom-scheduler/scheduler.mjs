/**
 * A scheduler in one file, as somebody outside the project would write it: start at the highest precision and step down
 * by one every `every` decode steps. Run it with
 *
 *   stepdown generate --model DIR --prompt TEXT --scheduler ./scheduler.mjs --scheduler-option every=16
 */
import { InvalidScheduleError } from "@stepdown/core";

const PRECISIONS = [4, 3, 2];

/**
 * @param {Readonly<Record<string, string>>} options
 * @returns {import("@stepdown/core").Scheduler}
 */
export function createScheduler(options = {}) {
  const every = Number(options.every ?? 16);
  return {
    specificationVersion: "v1",
    name: "staircase",
    precisions: PRECISIONS,
    start({ available }) {
      const missing = PRECISIONS.filter((bits) => !available.includes(bits));
      if (missing.length > 0) {
        throw new InvalidScheduleError(
          `The staircase needs ${missing.join(", ")} bits; the model offers ${available.join(", ")}.`,
        );
      }
      return {
        prefill: PRECISIONS[0],
        decide: ({ index }) => PRECISIONS[Math.min(Math.floor(index / every), PRECISIONS.length - 1)],
      };
    },
  };
}
