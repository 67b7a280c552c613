import { existsSync } from "node:fs";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeDirectory } from "./make-directory.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-directory-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("making a directory", () => {
  it("makes what is missing above it, and takes what is there", async () => {
    const path = join(folder, "a", "b", "c");
    await Promise.all([makeDirectory(path), makeDirectory(path)]);
    await makeDirectory(path);
    expect((await stat(path)).isDirectory()).toBe(true);
  });
  it("fails where a file is in the way", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(makeDirectory(join(folder, "file"))).rejects.toThrow(/EEXIST/);
    await expect(makeDirectory(join(folder, "file", "below"))).rejects.toThrow(/ENOTDIR/);
  });
  it.skipIf(!existsSync("/proc/self"))(
    "ends where the system takes no directories (skipped without /proc)",
    async () => {
      await expect(makeDirectory("/proc/stepdown/model")).rejects.toThrow(
        /\/proc takes no directories|EACCES|EROFS|EPERM/,
      );
    },
  );
});
