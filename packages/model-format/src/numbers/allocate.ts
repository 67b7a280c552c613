import { OutOfMemoryError } from "@stepdown/core";

/** A zeroed byte array. Throws `OutOfMemoryError`, naming what it was for. */
export function allocateBytes(length: number, name: string): Uint8Array {
  return allocate(() => new Uint8Array(length), length, name);
}

/** A zeroed float32 array. Throws `OutOfMemoryError`, naming what it was for. */
export function allocateFloat32(length: number, name: string): Float32Array {
  return allocate(() => new Float32Array(length), 4 * length, name);
}

function allocate<T>(create: () => T, bytes: number, name: string): T {
  try {
    return create();
  } catch (cause) {
    throw new OutOfMemoryError(
      `${name}: there is no memory for ${bytes} bytes; use a smaller model or a lower precision`,
      { cause },
    );
  }
}
