import type { WaitOptions } from "@stepdown/core";
import { nodeBuiltin } from "../node-builtin.js";
import { attempt, createOutputFile } from "../output-file.js";
import { layOutSafetensors, streamSafetensors } from "./stream-safetensors.js";
import type { TensorSource } from "./tensor-source.js";

/** Options of {@link writeSafetensors}. */
export interface WriteSafetensorsOptions extends WaitOptions {
  /** Free texts for the header. */
  metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes a safetensors file; Node only. One tensor is in memory at a time. The file appears under its name, in place of an
 * older one, when it is complete; after an error or abort nothing of it is left. Throws `OutputFailedError`.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  options: WriteSafetensorsOptions = {},
): Promise<void> {
  const layout = layOutSafetensors(tensors, options.metadata);
  options.signal?.throwIfAborted();
  const fs = nodeBuiltin("node:fs/promises");
  const { randomUUID } = nodeBuiltin("node:crypto");
  const temporary = `${path}.partial-${randomUUID().slice(0, 8)}`;
  const file = await createOutputFile(temporary);
  let done = 0;
  try {
    await streamSafetensors(layout, file.write, {
      signal: options.signal,
      onTensor(name, bytes) {
        done += bytes;
        options.onProgress?.({ phase: "writing", done, total: layout.dataBytes, unit: "bytes", detail: name });
      },
    });
    await file.finish();
    await attempt(path, () => fs.rename(temporary, path));
  } catch (error) {
    await file.abandon();
    await fs.rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}
