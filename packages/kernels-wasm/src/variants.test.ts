/** The two binaries against each other: relaxed shuffles may not change a bit. Needs a runtime with relaxed SIMD. */
import { createRandomLinearWeight } from "@stepdown/testing";
import { describe, expect, it } from "vitest";
import { createWasmKernels } from "./create-wasm-kernels.js";
import { supportsRelaxedSimd, type WasmVariant } from "./load-module.js";

const isKnown = supportsRelaxedSimd();
const reason = isKnown ? "" : " (skipped: this runtime has no relaxed SIMD)";

describe.skipIf(!isKnown)(`both binaries${reason}`, () => {
  it("compute the same bits for every codec, precision and number of tokens", async () => {
    const run = async (variant: WasmVariant): Promise<Float32Array[]> => {
      await using kernels = await createWasmKernels({ variant, threads: 1 });
      const results: Float32Array[] = [];
      for (const codec of ["bcq", "codebook", "uniform"] as const) {
        const weight = createRandomLinearWeight({ codec, rows: 70, columns: 192, groupSize: 96, bits: 8 });
        const prepared = await kernels.prepareLinear(weight);
        for (const tokens of [1, 3, 40])
          for (const precision of prepared.precisions) {
            const input = kernels.allocate(tokens * 192);
            kernels.write(
              input,
              Float32Array.from({ length: tokens * 192 }, (_, index) => Math.sin(index * index)),
            );
            const output = kernels.allocate(tokens * 70);
            kernels.linear({ weights: [prepared], precision, input, outputs: [output], tokens });
            results.push(await kernels.read(output));
          }
      }
      return results;
    };
    expect(await run("relaxed-simd")).toEqual(await run("simd"));
  });
});
