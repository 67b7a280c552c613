import type { Checkpoint, WaitOptions } from "@stepdown/core";
import { createSha256 } from "@stepdown/model-format";
import { yieldToEventLoop } from "../common/yield-to-event-loop.js";

/** Largest part of a tensor hashed before others have their turn: 64 MiB. */
const PIECE = 1 << 26;

/**
 * Hexadecimal SHA-256 over a float checkpoint's configuration and the names, shapes and float32 values of all its tensors:
 * the same for the same model, wherever it lies and however its files are cut. `onProgress` counts tensors.
 */
export async function fingerprintModel(
  checkpoint: Checkpoint,
  { signal, onProgress }: WaitOptions = {},
): Promise<string> {
  const hash = createSha256();
  const encoder = new TextEncoder();
  const names = [...checkpoint.tensors.keys()].sort();
  hash.update(encoder.encode(`${canonical(checkpoint.config)}\n`));
  for (const [index, name] of names.entries()) {
    signal?.throwIfAborted();
    const values = await checkpoint.readFloat32(name, { signal });
    hash.update(encoder.encode(`${JSON.stringify([name, checkpoint.tensors.get(name)!.shape, values.length])}\n`));
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    for (let from = 0; from < bytes.length; from += PIECE) {
      hash.update(bytes.subarray(from, from + PIECE));
      await yieldToEventLoop();
    }
    onProgress?.({
      phase: "identifying the model",
      done: index + 1,
      total: names.length,
      unit: "tensors",
      detail: name,
    });
  }
  return hash.digest();
}

/** JSON with the keys of every object in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
