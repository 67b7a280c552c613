/** One tensor to be written: what the header needs now, the numbers when their turn comes. */
export interface TensorSource {
  readonly name: string;
  /** Type name of the safetensors format: `F32`, `U8` … */
  readonly type: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** The numbers, little-endian, any view of the right number of bytes. Called once, in file order. */
  read(options: { signal?: AbortSignal }): Promise<ArrayBufferView>;
}
