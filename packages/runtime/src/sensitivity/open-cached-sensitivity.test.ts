import { mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sensitivity } from "@stepdown/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomCheckpoint, tinyConfig } from "../test-support/tiny-models.js";
import { fingerprintModel } from "./fingerprint-model.js";
import { type CachedSensitivityOptions, openCachedSensitivity } from "./open-cached-sensitivity.js";
import { sensitivityKey } from "./sensitivity-key.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepdown-cache-"));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

const layers = [
  { name: "a", rows: 3, columns: 2 },
  { name: "b", rows: 1, columns: 4 },
];
const lengths: Readonly<Record<Sensitivity["kind"], readonly [number, number]>> = {
  columns: [2, 4],
  weights: [6, 4],
  moments: [4, 16],
};

/** A cache file of its own, and what happened to it. */
function setUp(file: string, kind: Sensitivity["kind"] = "weights") {
  const seen = { measured: 0, disposed: 0, damage: [] as string[] };
  const values = (name: string): Float32Array =>
    Float32Array.from({ length: lengths[kind][name === "a" ? 0 : 1] }, (_, i) => i + (name === "a" ? 0.5 : 100));
  const options: CachedSensitivityOptions = {
    ...{ name: "fisher", key: "k1", kind, path: join(folder, file) },
    async measure({ signal }) {
      seen.measured++;
      await new Promise((resolve) => setTimeout(resolve, 1));
      signal?.throwIfAborted();
      return {
        layers,
        read: (name) => ({ kind, values: values(name) }),
        [Symbol.asyncDispose]: async () => void seen.disposed++,
      };
    },
    onDamage: (reason) => void seen.damage.push(reason),
  };
  return { seen, options, values };
}

describe("sensitivities in a file", () => {
  for (const kind of ["columns", "weights", "moments"] as const)
    it(`of kind ${kind} are measured once, when first asked for, and read back by others`, async () => {
      const { seen, options, values } = setUp(`${kind}.safetensors`, kind);
      const source = openCachedSensitivity(options);
      expect(seen.measured).toBe(0);
      const [a, b] = await Promise.all([source.read("a", layers[0]!), source.read("b", layers[1]!)]);
      expect(a).toEqual({ kind, values: values("a") });
      expect(b).toEqual({ kind, values: values("b") });
      const again = openCachedSensitivity(options);
      expect(await again.read("b", layers[1]!)).toEqual(b);
      expect(await again.read("c", layers[1]!)).toBeUndefined();
      expect(seen).toEqual({ measured: 1, disposed: 1, damage: [] });
      expect((await readdir(folder)).filter((name) => name.includes("partial"))).toEqual([]);
    });

  it("are measured again when the file is damaged anywhere, another's, or no such file at all", async () => {
    const { options } = setUp("damaged.safetensors");
    await openCachedSensitivity(options).read("a", layers[0]!);
    const { size } = await stat(options.path);
    const damages: Readonly<Record<string, () => Promise<void>>> = {
      "a byte of b's values": async () => {
        const file = await open(options.path, "r+");
        await file.write(Uint8Array.of(77), 0, 1, size - 2);
        await file.close();
      },
      "a cut end": () => truncate(options.path, size - 1),
      emptiness: () => truncate(options.path, 0),
      "something else": () => writeFile(options.path, "not a safetensors file, but long enough to look like one"),
      "another key": async () => {
        const other = { ...setUp("damaged.safetensors").options, key: "k2" };
        await openCachedSensitivity(other).read("a", layers[0]!);
      },
    };
    const whole = await readFile(options.path);
    for (const [what, damage] of Object.entries(damages)) {
      await damage();
      const { seen, options: again, values } = setUp("damaged.safetensors");
      const source = openCachedSensitivity(again);
      expect((await source.read("a", layers[0]!))?.values, what).toEqual(values("a"));
      expect((await source.read("b", layers[1]!))?.values, what).toEqual(values("b"));
      expect(seen, what).toMatchObject({ measured: 1, disposed: 1 });
      expect(seen.damage, what).toHaveLength(1);
      expect(await readFile(options.path), what).toEqual(whole);
    }
  });

  it("leave no file when measuring is stopped, and can be asked for again", async () => {
    const { seen, options, values } = setUp("stopped.safetensors");
    const source = openCachedSensitivity(options);
    const stop = new AbortController();
    const reading = source.read("a", layers[0]!, { signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(reading).rejects.toThrow("enough");
    expect((await readdir(folder)).filter((name) => name.startsWith("stopped"))).toEqual([]);
    expect((await source.read("a", layers[0]!))?.values).toEqual(values("a"));
    expect(seen.measured).toBe(2);
  });

  it("are refused to a layer of another shape, after one more measurement", async () => {
    const { seen, options } = setUp("shape.safetensors");
    await expect(openCachedSensitivity(options).read("a", { rows: 2, columns: 3 })).rejects.toThrow(/\[3, 2\]/);
    expect(seen.measured).toBe(1);
  });
});

describe("keys of measurements", () => {
  it("depend on the model's every number and on its configuration, not on the order of its tensors or keys", async () => {
    const fingerprint = (changes: Readonly<Record<string, unknown>> = {}, seed = 1): Promise<string> =>
      fingerprintModel(randomCheckpoint({ ...tinyConfig, ...changes }, { seed }));
    const first = await fingerprint();
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await fingerprint()).toBe(first);
    const turned = randomCheckpoint(Object.fromEntries(Object.entries(tinyConfig).reverse()));
    const tensors = new Map([...turned.tensors].reverse());
    expect(await fingerprintModel({ ...turned, tensors })).toBe(first);
    expect(await fingerprint({ rope_theta: 20_000 })).not.toBe(first);
    expect(await fingerprint({}, 2)).not.toBe(first);
    const checkpoint = randomCheckpoint();
    const readFloat32 = async (name: string): Promise<Float32Array> => {
      const values = await checkpoint.readFloat32(name);
      if (name === "model.norm.weight") values[3]! += 1e-6;
      return values;
    };
    expect(await fingerprintModel({ ...checkpoint, readFloat32 })).not.toBe(first);
  });

  it("depend on what is measured, on the tokens and where they are cut, and on the arithmetic", () => {
    const parts = { name: "fisher", model: "m", chunks: [[1, 2], [3]], arithmetic: "x" };
    const key = sensitivityKey(parts);
    expect(sensitivityKey({ ...parts, chunks: [[1, 2], [3]] })).toBe(key);
    const changes = [
      { name: "guided" },
      { model: "n" },
      { arithmetic: "y" },
      { chunks: [[1], [2, 3]] },
      { chunks: [[1, 2]] },
    ];
    const others = changes.map((change) => sensitivityKey({ ...parts, ...change }));
    expect(new Set([key, ...others]).size).toBe(changes.length + 1);
  });
});
