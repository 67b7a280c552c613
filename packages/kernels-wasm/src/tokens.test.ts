/** A token's products have the same bits alone and among few others, which speculation and its verification rely on. */
import { createRandomLinearWeight } from "@stepdown/testing";
import { describe, expect, it } from "vitest";
import { createWasmKernels } from "./create-wasm-kernels.js";

/** As many tokens as take look-ups at every precision; a tile, used beyond, rounds activations differently. */
const FEW = 10;
const [ROWS, COLUMNS] = [101, 192];

describe("few tokens", () => {
  it.each(["bcq", "uniform"] as const)("have the bits of single ones: %s", async (codec) => {
    await using kernels = await createWasmKernels({ threads: 1 });
    const weight = createRandomLinearWeight({ codec, rows: ROWS, columns: COLUMNS, groupSize: 96, bits: 8 });
    const prepared = await kernels.prepareLinear(weight);
    const x = Float32Array.from({ length: FEW * COLUMNS }, (_, index) => Math.sin(index * index));
    const input = kernels.allocate(x.length);
    kernels.write(input, x);
    const output = kernels.allocate(FEW * ROWS);
    for (const precision of [2, 3, 5, 8]) {
      kernels.linear({ weights: [prepared], precision, input, outputs: [output], tokens: FEW });
      const together = await kernels.read(output);
      for (let t = 0; t < FEW; t++) {
        const token = kernels.view(input, t * COLUMNS, COLUMNS);
        kernels.linear({ weights: [prepared], precision, input: token, outputs: [output], tokens: 1 });
        const alone = (await kernels.read(output)).slice(0, ROWS);
        expect(together.slice(t * ROWS, (t + 1) * ROWS)).toEqual(alone);
      }
    }
  });
});
