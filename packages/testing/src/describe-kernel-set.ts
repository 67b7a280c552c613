import type { KernelSet } from "@stepdown/core";
import { expectEqual, expectRefusal, expectThat } from "./checks/expectations.js";
import { activationChecks } from "./kernel-set/activation-checks.js";
import { attentionChecks } from "./kernel-set/attention-checks.js";
import { bufferChecks } from "./kernel-set/buffer-checks.js";
import { linearChecks } from "./kernel-set/linear-checks.js";
import type { KernelCheck, KernelSetFeature } from "./kernel-set/scratch.js";
import { weightChecks } from "./kernel-set/weight-checks.js";
import type { TestRunner } from "./test-runner.js";

/** Options of {@link describeKernelSet}. */
export interface KernelSetSuiteOptions {
  /** Parts of the contract left out on purpose, each with the reason, which appears in the test's name. Default: none. */
  readonly skip?: Partial<Record<KernelSetFeature, string>>;
  /** Factor on all tolerances, for arithmetic narrower than float32. Default 1. */
  readonly toleranceFactor?: number;
}

const groups: Readonly<Record<string, readonly KernelCheck[]>> = {
  buffers: bufferChecks,
  weights: weightChecks,
  linear: linearChecks,
  activations: activationChecks,
  attention: attentionChecks,
};

/**
 * Registers the tests every {@link KernelSet} has to pass: all operations against the reference set over odd shapes, all
 * codecs and precisions that the set's capabilities list, and all refusals. Every test makes its own sets with
 * `createKernelSet` and `reference` and disposes of them.
 */
export function describeKernelSet(
  name: string,
  createKernelSet: () => Promise<KernelSet>,
  reference: () => KernelSet,
  runner: TestRunner,
  options: KernelSetSuiteOptions = {},
): void {
  const { describe, it } = runner;
  const { skip = {}, toleranceFactor = 1 } = options;
  describe(`${name} keeps the kernel set contract`, () => {
    it("says what it is and what it can do", async () => {
      await using candidate = await createKernelSet();
      expectEqual(candidate.specificationVersion, "v1", "specificationVersion");
      expectThat(candidate.name.length > 0, "A kernel set needs a name.");
      const { codecs, cacheTypes, threads, maximumTokens, notes } = candidate.capabilities;
      expectThat(Object.keys(codecs).length > 0, "A kernel set must support a codec.");
      expectThat(cacheTypes.length > 0, "A kernel set must support a cache type.");
      expectThat(Number.isInteger(threads) && threads >= 1, `threads must be at least 1, got ${threads}.`);
      expectThat(Number.isInteger(maximumTokens) && maximumTokens >= 1, `maximumTokens is ${maximumTokens}.`);
      expectThat(Array.isArray(notes), "notes must be a list of sentences.");
    });
    for (const [group, checks] of Object.entries(groups)) {
      describe(group, () => {
        for (const { name: checkName, feature, check } of checks) {
          const reason = feature && skip[feature];
          if (reason !== undefined) {
            // A skipped part is named like a test, so that the reason stands in every report.
            it(`${checkName} (left out: ${reason})`, () => {});
            continue;
          }
          it(checkName, async () => {
            await using candidate = await createKernelSet();
            await using judge = reference();
            await check({ candidate, reference: judge, createAnother: createKernelSet, toleranceFactor });
          });
        }
      });
    }
    it("can be disposed of twice and refuses work afterwards", async () => {
      const candidate = await createKernelSet();
      const buffer = candidate.allocate(4);
      await candidate[Symbol.asyncDispose]();
      await candidate[Symbol.asyncDispose]();
      await expectRefusal(() => candidate.allocate(4), ["InvalidArgumentError"], "allocate after disposal");
      await expectRefusal(() => candidate.read(buffer), ["InvalidArgumentError"], "read after disposal");
    });
  });
}
