import { expect, test } from "vitest";
import { randomDraws } from "./random-draws.js";

test("draws are those of NumPy's RandomState", () => {
  // numpy.random.RandomState(0).random_sample(3)
  expect([...randomDraws(0, 3)]).toEqual([0.5488135039273248, 0.7151893663724195, 0.6027633760716439]);
  // numpy.random.RandomState(4294967295).random_sample(1)
  expect(randomDraws(4294967295, 1)[0]).toBe(0.0976320289940138);
});

test("draws stay in [0, 1) and differ beyond the length of the state", () => {
  const draws = randomDraws(7, 2000);
  expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...draws)).toBeLessThan(1);
  expect(new Set(draws).size).toBe(2000);
});
