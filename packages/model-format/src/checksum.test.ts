import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { createPortableSha256, createSha256 } from "./checksum.js";

test.each([
  ["this platform's", createSha256],
  ["the portable", createPortableSha256],
])("%s SHA-256 of pieces equals that of the whole", (_, create) => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 37) % 251);
  const checksum = create();

  for (const [from, to] of [
    [0, 0],
    [0, 1],
    [1, 64],
    [64, 65],
    [65, 1000],
  ])
    checksum.update(bytes.subarray(from, to));

  expect(checksum.digest()).toBe(createHash("sha256").update(bytes).digest("hex"));
});
