import { mkdtemp, rm, unlink, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createBlobSource } from "./blob-source.js";
import type { ByteSource } from "./byte-source.js";
import { createBytesSource } from "./bytes-source.js";
import { openFileSource } from "./file-source.js";
import { createMapDirectory } from "./map-directory.js";
import { openPathDirectory } from "./path-directory.js";
import { createUrlDirectory } from "./url-directory.js";
import { openUrlSource } from "./url-source.js";

const content = Uint8Array.from({ length: 100 }, (_, i) => i);
let root: string;
let server: Server;
let base: string;
type Handler = (request: IncomingMessage, response: ServerResponse) => void;
let handler: Handler;
const requests: (string | undefined)[] = [];

interface Spoiled {
  status?: number;
  headers?: Record<string, string>;
  body?: Uint8Array;
}

/** A well-behaved file server; `spoil` may change the answer. */
function serve(spoil: (body: Uint8Array) => Spoiled = () => ({})): Handler {
  return (request, response) => {
    const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    if (request.url?.startsWith("/model.bin") !== true) return void response.writeHead(404).end();
    const [start, end] = [Number(match?.[1]), Number(match?.[2])];
    const body = content.subarray(start, end + 1);
    const spoiled = spoil(body);
    const headers = {
      "content-range": `bytes ${start}-${start + body.length - 1}/${content.length}`,
      etag: '"1"',
      ...spoiled.headers,
    };
    response.writeHead(spoiled.status ?? 206, headers).end(spoiled.body ?? body);
  };
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "stepdown-sources-"));
  server = createServer((request, response) => {
    requests.push(request.headers.range);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => void requests.splice(0));
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(root, { recursive: true });
});

const kinds: [string, () => Promise<ByteSource>][] = [
  ["bytes", async () => createBytesSource(content)],
  ["blob", async () => createBlobSource(new Blob([content]))],
  [
    "file",
    async () => {
      await writeFile(join(root, "content"), content);
      return (await openFileSource(join(root, "content")))!;
    },
  ],
  [
    "URL",
    async () => {
      handler = serve();
      return (await openUrlSource(`${base}/model.bin`))!;
    },
  ],
];

describe.each(kinds)("a source over %s", (_, open) => {
  test("gives exactly the bytes asked for, in memory of the caller's", async () => {
    const source = await open();
    expect(source.size).toBe(100);
    const part = await source.read(10, 5);
    part[0] = 99;
    expect([...(await source.read(10, 5))]).toEqual([10, 11, 12, 13, 14]);
    expect((await source.read(100, 0)).length).toBe(0);
    expect([...(await source.read(99, 1))]).toEqual([99]);
  });

  test("refuses ranges beyond the end", async () => {
    const source = await open();
    for (const [offset, length] of [
      [99, 2],
      [-1, 1],
      [101, 0],
      [0.5, 1],
      [0, Number.NaN],
    ] as const) {
      await expect(source.read(offset, length)).rejects.toMatchObject({ code: "invalid-file" });
    }
  });

  test("rejects with the signal's reason", async () => {
    const source = await open();
    await expect(source.read(0, 1, { signal: AbortSignal.abort(new Error("stopped")) })).rejects.toThrow("stopped");
  });
});

describe("a local file", () => {
  test("that changes or goes away after opening is noticed", async () => {
    const path = join(root, "changing");
    await writeFile(path, content);
    const source = (await openFileSource(path))!;
    await writeFile(path, content.subarray(1));
    await expect(source.read(0, 1)).rejects.toMatchObject({
      code: "invalid-file",
      message: expect.stringContaining("changed"),
    });
    await unlink(path);
    await expect(source.read(0, 1)).rejects.toMatchObject({ code: "missing-file" });
  });

  test("that does not exist, or is a directory, is no file", async () => {
    expect(await openFileSource(join(root, "none"))).toBeUndefined();
    expect(await openFileSource(root)).toBeUndefined();
    expect(await openPathDirectory(join(root, "none"))).toBeUndefined();
  });
});

describe("a URL", () => {
  test("is read by ranges only, one byte to open it", async () => {
    handler = serve();
    const source = await openUrlSource(`${base}/model.bin`);
    await source?.read(20, 30);
    expect(requests).toEqual(["bytes=0-0", "bytes=20-49"]);
    expect(source?.remote).toBe(true);
  });

  test("that is absent is no file; other answers are errors", async () => {
    handler = serve();
    expect(await openUrlSource(`${base}/none`)).toBeUndefined();
    handler = (_, response) => void response.writeHead(503).end();
    await expect(openUrlSource(`${base}/model.bin`)).rejects.toMatchObject({
      code: "missing-file",
      message: expect.stringContaining("503"),
    });
    await expect(openUrlSource("http://127.0.0.1:1/model.bin")).rejects.toMatchObject({ code: "missing-file" });
  });

  test("whose server ignores ranges is refused before its content is fetched", async () => {
    handler = (_, response) => void response.writeHead(200).end(content);
    await expect(openUrlSource(`${base}/model.bin`)).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("Range"),
    });
  });

  test("of an empty file has no bytes", async () => {
    handler = (_, response) => void response.writeHead(416, { "content-range": "bytes */0" }).end();
    expect((await openUrlSource(`${base}/model.bin`))?.size).toBe(0);
  });

  test.each<[string, string, (body: Uint8Array) => Spoiled]>([
    ["a new size", "changed", () => ({ headers: { "content-range": "bytes 5-9/101" } })],
    ["a new entity tag", "changed", () => ({ headers: { etag: '"2"' } })],
    ["another range", "sent 6-10", () => ({ headers: { "content-range": "bytes 6-10/100" } })],
    ["too many bytes", "more", () => ({ body: content })],
    ["too few bytes", "the server sent 2", (body) => ({ body: body.subarray(0, 2) })],
    ["everything", "ignores Range", () => ({ status: 200, body: content })],
  ])("that answers a read with %s is refused", async (_, message, spoil) => {
    handler = serve();
    const source = (await openUrlSource(`${base}/model.bin`))!;
    handler = serve(spoil);
    await expect(source.read(5, 5)).rejects.toThrow(message);
  });

  test("whose connection breaks says how far it came, and a stop ends the read", async () => {
    handler = serve();
    const source = (await openUrlSource(`${base}/model.bin`))!;
    handler = (_, response) => {
      response.writeHead(206, { "content-range": "bytes 0-9/100", etag: '"1"', "content-length": "10" });
      response.write(content.subarray(0, 4), () => response.destroy());
    };
    await expect(source.read(0, 10)).rejects.toMatchObject({
      code: "invalid-file",
      message: expect.stringContaining("of 10 bytes"),
    });

    const stop = new AbortController();
    handler = (_, response) => {
      response.writeHead(206, { "content-range": "bytes 0-9/100", etag: '"1"' });
      response.write(content.subarray(0, 4), () => stop.abort(new Error("stopped")));
    };
    await expect(source.read(0, 10, { signal: stop.signal })).rejects.toThrow("stopped");
  });
});

describe("directories", () => {
  test.each(["../x", "a/b", "a\\b", "", "..", "x\u0000", "C:x", "y".repeat(300)])(
    "refuse the name %j",
    async (name) => {
      const directories = [createMapDirectory(new Map()), createUrlDirectory(base), (await openPathDirectory(root))!];
      for (const directory of directories) {
        await expect(directory.open(name)).rejects.toMatchObject({ code: "invalid-file" });
      }
    },
  );

  test("behind a URL keep its query and escape names", async () => {
    const seen: (string | undefined)[] = [];
    handler = (request, response) => {
      seen.push(request.url);
      response.writeHead(404).end();
    };
    await createUrlDirectory(`${base}/models/a?token=1`).open("a b.json");
    expect(seen).toEqual(["/models/a/a%20b.json?token=1"]);
  });

  test("of files in memory open bytes, blobs and sources", async () => {
    const directory = createMapDirectory(
      new Map<string, Blob | Uint8Array | ByteSource>([
        ["b", content],
        ["a", new Blob([content])],
        ["c", createBytesSource(content)],
      ]),
    );
    expect(await directory.list?.()).toEqual(["a", "b", "c"]);
    for (const name of ["a", "b", "c"]) expect((await (await directory.open(name))?.read(3, 1))?.[0]).toBe(3);
    expect(await directory.open("d")).toBeUndefined();
  });
});
