import { InvalidFileError } from "@stepdown/core";

/**
 * Bytes that can be read by range: a local file, a Blob, a URL, memory. It knows no format.
 *
 * A source holds no handle between reads, so that one that is forgotten leaks nothing.
 */
export interface ByteSource {
  /** What messages call it: path, URL or file name. */
  readonly name: string;
  /** Bytes in all, fixed when the source was opened. */
  readonly size: number;
  /** Whether a read crosses a network, which makes reading everything for a checksum dear. Default `false`. */
  readonly remote?: boolean;
  /**
   * Exactly `length` bytes from `offset`, in memory of their own that the caller may keep and change. Throws
   * `InvalidFileError` for a range beyond the end or when the content has changed since it was opened.
   */
  read(offset: number, length: number, options?: ByteReadOptions): Promise<Uint8Array>;
}

/** Options of {@link ByteSource.read}. */
export interface ByteReadOptions {
  /** Stops the read; it then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Throws unless `[offset, offset + length)` lies inside the source. */
export function checkRange(source: Pick<ByteSource, "name" | "size">, offset: number, length: number): void {
  if (
    !Number.isSafeInteger(offset) ||
    !Number.isSafeInteger(length) ||
    offset < 0 ||
    length < 0 ||
    offset + length > source.size
  ) {
    throw new InvalidFileError(
      `${source.name}: wanted ${length} bytes at ${offset}, but it has ${source.size} bytes; it may be truncated, fetch it again`,
    );
  }
}
