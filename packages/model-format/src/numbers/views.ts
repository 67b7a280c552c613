/**
 * Little-endian bytes seen as numbers. Every platform with JavaScript engines in use is little-endian, so a view is a
 * conversion; bytes that are not aligned are copied first.
 */
export function asUint16(bytes: Uint8Array): Uint16Array {
  const aligned = align(bytes, 2);
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 1);
}

/** Bytes as unsigned 32-bit numbers. */
export function asUint32(bytes: Uint8Array): Uint32Array {
  const aligned = align(bytes, 4);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 2);
}

/** Bytes as signed bytes. */
export function asInt8(bytes: Uint8Array): Int8Array {
  return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes as float32. */
export function asFloat32(bytes: Uint8Array): Float32Array {
  const aligned = align(bytes, 4);
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 2);
}

/** The bytes behind any view, without copying. */
export function asBytes(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** The bytes, copied where they do not begin at a multiple of `size`. */
export function align(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.byteOffset % size === 0 ? bytes : bytes.slice();
}
