import { InvalidFileError, MissingFileError, UnsupportedError } from "@stepdown/core";
import { allocateBytes } from "../numbers/allocate.js";
import { type ByteReadOptions, type ByteSource, checkRange } from "./byte-source.js";

/** Options of {@link openUrlSource}. */
export interface UrlSourceOptions extends ByteReadOptions {
  /** Used instead of the global `fetch`, for proxies and tests. */
  fetch?: typeof fetch;
  /** Sent with every request, for example an authorization. */
  headers?: Readonly<Record<string, string>>;
}

const statusesOfAbsence: ReadonlySet<number> = new Set([404, 410]);

/**
 * A source over HTTP, read with `Range` requests. Returns `undefined` where the server says there is no such file.
 *
 * Every answer must be a `206` for exactly the range asked, of a file whose size and entity tag have not changed. A server
 * that ignores ranges is refused: reading one tensor would fetch the whole model each time.
 */
export async function openUrlSource(
  url: string | URL,
  options: UrlSourceOptions = {},
): Promise<ByteSource | undefined> {
  const name = String(url);
  const request = (offset: number, length: number, signal?: AbortSignal): Promise<Response> =>
    requestRange(name, offset, length, { ...options, signal: signal ?? undefined });

  const probe = await request(0, 1, options.signal);
  await probe.body?.cancel();
  if (statusesOfAbsence.has(probe.status)) return undefined;
  if (probe.status === 416) {
    if (parseContentRange(probe)?.total === 0) return emptySource(name);
    throw new InvalidFileError(`${name}: the server refuses its own first byte (416) without saying that it is empty`);
  }
  checkPartial(name, probe);
  const range = parseContentRange(probe);
  if (range?.total === undefined || range.start !== 0) {
    throw new UnsupportedError(`${name}: the server does not tell the file's size (Content-Range)`);
  }
  const size = range.total;
  const tag = probe.headers.get("etag");

  return {
    name,
    size,
    remote: true,
    async read(offset, length, readOptions) {
      const signal = readOptions?.signal;
      signal?.throwIfAborted();
      checkRange({ name, size }, offset, length);
      if (length === 0) return new Uint8Array(0);
      const response = await request(offset, length, signal);
      try {
        checkPartial(name, response);
        const got = parseContentRange(response);
        if (got === undefined || got.total !== size || (tag !== null && response.headers.get("etag") !== tag)) {
          throw new InvalidFileError(`${name}: the file on the server changed while it was read; open it again`);
        }
        if (got.start !== offset || got.end !== offset + length - 1) {
          throw new InvalidFileError(
            `${name}: asked for bytes ${offset}-${offset + length - 1}, the server sent ${got.start}-${got.end}`,
          );
        }
        return await readBody(name, response, length, signal);
      } catch (error) {
        await response.body?.cancel().catch(() => undefined);
        throw error;
      }
    },
  };
}

async function requestRange(
  name: string,
  offset: number,
  length: number,
  options: UrlSourceOptions,
): Promise<Response> {
  try {
    return await (options.fetch ?? fetch)(name, {
      headers: { ...options.headers, Range: `bytes=${offset}-${offset + length - 1}` },
      signal: options.signal ?? null,
    });
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw new MissingFileError(`${name}: the server cannot be reached; check address and connection`, { cause });
  }
}

function checkPartial(name: string, response: Response): void {
  if (response.status === 206) return;
  if (response.status === 200) {
    throw new UnsupportedError(
      `${name}: the server ignores Range requests and would send the whole file; use one that answers 206, or download the model`,
    );
  }
  throw new MissingFileError(`${name}: the server answered ${response.status} ${response.statusText}`.trim());
}

/** `bytes 0-99/1000`, `bytes 0-99/*` or, with status 416, `bytes * /1000`. */
function parseContentRange(response: Response): { start: number; end: number; total: number | undefined } | undefined {
  const match = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
  if (match === null) return undefined;
  const total = match[3] === "*" ? undefined : Number(match[3]);
  if (total !== undefined && !Number.isSafeInteger(total)) return undefined;
  return { start: Number(match[1] ?? -1), end: Number(match[2] ?? -1), total };
}

/** Never holds more than was asked for, whatever the server sends. */
async function readBody(name: string, response: Response, length: number, signal?: AbortSignal): Promise<Uint8Array> {
  const bytes = allocateBytes(length, name);
  let done = 0;
  const reader = response.body?.getReader();
  try {
    while (reader !== undefined) {
      const part = await reader.read();
      if (part.done) break;
      if (done + part.value.length > length) {
        throw new InvalidFileError(`${name}: asked for ${length} bytes, the server sends more`);
      }
      bytes.set(part.value, done);
      done += part.value.length;
    }
  } catch (error) {
    signal?.throwIfAborted();
    await reader?.cancel().catch(() => undefined);
    if (error instanceof InvalidFileError) throw error;
    throw new InvalidFileError(`${name}: the connection broke after ${done} of ${length} bytes; try again`, {
      cause: error,
    });
  } finally {
    reader?.releaseLock();
  }
  if (done !== length) throw new InvalidFileError(`${name}: asked for ${length} bytes, the server sent ${done}`);
  return bytes;
}

function emptySource(name: string): ByteSource {
  return {
    name,
    size: 0,
    remote: true,
    async read(offset, length) {
      checkRange({ name, size: 0 }, offset, length);
      return new Uint8Array(0);
    },
  };
}
