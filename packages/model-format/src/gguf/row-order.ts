/**
 * Undoes the row order that llama.cpp's converter gives to query and key matrices of the `llama` architecture.
 *
 * Hugging Face rotates element i of a head together with element i + d/2; llama.cpp rotates neighbours (2i, 2i + 1). The
 * converter therefore stores Hugging Face's row `head·d + half·d/2 + i` as row `head·d + 2i + half`. Rows are moved as
 * bytes, before any dequantization: a row is a whole number of blocks.
 */
export function restoreRowOrder(bytes: Uint8Array, rows: number, heads: number): Uint8Array {
  const rowBytes = bytes.byteLength / rows;
  const dimension = rows / heads;
  const half = dimension / 2;
  const restored = new Uint8Array(bytes.byteLength);
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < dimension; i++) {
      const source = head * dimension + (i < half ? 2 * i : 2 * (i - half) + 1);
      restored.set(bytes.subarray(source * rowBytes, (source + 1) * rowBytes), (head * dimension + i) * rowBytes);
    }
  }
  return restored;
}
