import type { Checkpoint, WaitOptions } from "@stepdown/core";
import type { FloatTensorSource } from "@stepdown/model-format";
import { checkWeights, LARGEST_FLOAT16, LARGEST_FLOAT32 } from "../linear/check-weights.js";
import type { PlannedTensor } from "./layer-plan.js";

/**
 * Tensors that stay float numbers, as sources for the writer: vectors (norms, biases) in float32, matrices in half
 * precision unless a value does not fit.
 */
export async function floatTensorSources(
  checkpoint: Checkpoint,
  tensors: readonly PlannedTensor[],
  options: WaitOptions,
): Promise<FloatTensorSource[]> {
  const sources: FloatTensorSource[] = [];
  for (const { name, source, shape } of tensors) {
    const type = shape.length < 2 || !(await fitsFloat16(checkpoint, source, options)) ? "F32" : "F16";
    sources.push({
      name,
      type,
      shape,
      async read({ signal }) {
        const values = await checkpoint.readFloat32(source, signal === undefined ? {} : { signal });
        checkWeights(values, shape.at(-1) ?? 1, source, LARGEST_FLOAT32);
        return values;
      },
    });
  }
  return sources;
}

async function fitsFloat16(checkpoint: Checkpoint, name: string, { signal }: WaitOptions): Promise<boolean> {
  if (checkpoint.tensors.get(name)?.type === "F16") return true;
  const values = await checkpoint.readFloat32(name, signal === undefined ? {} : { signal });
  return values.every((value) => Math.abs(value) <= LARGEST_FLOAT16);
}
