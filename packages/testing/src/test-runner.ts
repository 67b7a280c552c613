/**
 * The two functions a suite needs of a test framework. `vitest`, `node:test` and `jest` have them under these names:
 * `import { describe, it } from "node:test"; describeScheduler(…, { describe, it })`.
 */
export interface TestRunner {
  /** Groups tests under a name. */
  describe(name: string, body: () => void): unknown;
  /** Registers a test; it fails when the body throws or rejects. */
  it(name: string, body: () => void | Promise<void>): unknown;
}
