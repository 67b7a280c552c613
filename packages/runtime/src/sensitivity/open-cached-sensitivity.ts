/**
 * Sensitivities in a file: measured once, read back layer by layer. One safetensors file, a tensor per layer under its
 * name, F32, `[columns]`, `[rows][columns]` or `[columns][columns]` after its kind; the header names key, kind and the
 * SHA-256 of every tensor, which is checked with every read.
 */
import {
  ChecksumMismatchError,
  InvalidArgumentError,
  InvalidFileError,
  type LinearShape,
  type Sensitivity,
  type SensitivitySource,
  StepdownError,
  type WaitOptions,
} from "@stepdown/core";
import {
  createSha256,
  openFileSource,
  openSafetensors,
  type SafetensorsFile,
  writeSafetensors,
} from "@stepdown/model-format";

/** Marks the files. */
const FORMAT = "stepdown-sensitivity-1";

/** A layer of the model that is measured. */
export interface MeasuredLayer extends LinearShape {
  readonly name: string;
}

/** A finished measurement. */
export interface MeasuredSensitivity extends AsyncDisposable {
  readonly layers: readonly MeasuredLayer[];
  /** The values of a layer of `layers`. */
  read(name: string): Sensitivity | undefined;
}

/** Options of {@link openCachedSensitivity}. */
export interface CachedSensitivityOptions {
  /** What it is, for file metadata and people. */
  readonly name: string;
  /** Identifies everything the values depend on, from `sensitivityKey`. */
  readonly key: string;
  readonly kind: Sensitivity["kind"];
  /** The file; its directory must exist. Node only. */
  readonly path: string;
  /** Measures; called when a layer is asked for and the file is absent, another one's, or damaged. */
  measure(options: Pick<WaitOptions, "signal">): Promise<MeasuredSensitivity>;
  /** Told why a file that was there is not used. Default: nobody is. */
  onDamage?(reason: string): void;
}

/** A source over a file that is written when it is first needed. Nothing is measured before the first `read`. */
export function openCachedSensitivity(options: CachedSensitivityOptions): SensitivitySource {
  const { name, key, kind, path } = options;
  let opened: Promise<SafetensorsFile> | undefined;
  let measured = false;

  // The progress of whoever reads counts other things than measuring and writing do: only the signal goes on.
  const measure = async ({ signal }: WaitOptions): Promise<SafetensorsFile> => {
    const wait = signal === undefined ? {} : { signal };
    measured = true;
    {
      await using result = await options.measure(wait);
      await store(options, result, wait);
    }
    const file = await open(options, wait);
    if (file === undefined) throw new InvalidFileError(`${path}: vanished after it had been written.`);
    return file;
  };
  const openOrMeasure = async (wait: WaitOptions): Promise<SafetensorsFile> => {
    try {
      const file = await open(options, wait);
      if (file !== undefined) return file;
    } catch (error) {
      tellDamage(error);
    }
    return await measure(wait);
  };
  /** Passes on what is no damage; a file that was measured just now must be whole. */
  const tellDamage = (error: unknown): void => {
    if (!isDamage(error) || measured) throw error;
    options.onDamage?.(error.message);
  };

  return {
    name,
    key,
    async read(layer, shape, wait = {}) {
      wait.signal?.throwIfAborted();
      opened ??= openOrMeasure(wait);
      // A failed or stopped measurement may be tried again.
      const file = await opened.catch((error: unknown) => {
        opened = undefined;
        throw error;
      });
      try {
        return await readLayer(file, path, kind, layer, shape, wait);
      } catch (error) {
        tellDamage(error);
      }
      opened = measure(wait);
      return await readLayer(await opened, path, kind, layer, shape, wait);
    },
  };
}

type Damage = StepdownError;

function isDamage(error: unknown): error is Damage {
  return (
    StepdownError.isInstance(error) && (error instanceof InvalidFileError || error instanceof ChecksumMismatchError)
  );
}

/** The opened file, or `undefined` where there is none. */
async function open(
  { key, kind, path }: CachedSensitivityOptions,
  wait: WaitOptions,
): Promise<SafetensorsFile | undefined> {
  const source = await openFileSource(path);
  if (source === undefined) return undefined;
  const file = await openSafetensors(source, wait.signal === undefined ? {} : { signal: wait.signal });
  const found = [file.metadata.get("format"), file.metadata.get("key"), file.metadata.get("kind")];
  if (found[0] !== FORMAT || found[1] !== key || found[2] !== kind) {
    throw new InvalidFileError(`${path}: is no result of this measurement.`);
  }
  return file;
}

async function readLayer(
  file: SafetensorsFile,
  path: string,
  kind: Sensitivity["kind"],
  layer: string,
  shape: LinearShape,
  { signal }: WaitOptions,
): Promise<Sensitivity | undefined> {
  const entry = file.tensors.get(layer);
  if (entry === undefined) return undefined;
  const wanted = shapeOf(kind, shape);
  const count = wanted.reduce((product, size) => product * size, 1);
  if (entry.type !== "F32" || entry.shape.join() !== wanted.join()) {
    throw new InvalidFileError(
      `${path}: ${layer} is ${entry.type} [${entry.shape.join(", ")}]; the layer needs F32 [${wanted.join(", ")}].`,
    );
  }
  const bytes = await file.readBytes(layer, signal === undefined ? {} : { signal });
  if (hashOf(bytes) !== file.metadata.get(`sha256.${layer}`)) {
    throw new ChecksumMismatchError(`${path}: the values of ${layer} are not those that were written.`);
  }
  const values = new Float32Array(count);
  new Uint8Array(values.buffer).set(bytes);
  return { kind, values };
}

async function store(options: CachedSensitivityOptions, result: MeasuredSensitivity, wait: WaitOptions): Promise<void> {
  const { name, key, kind, path } = options;
  const metadata: Record<string, string> = { format: FORMAT, name, key, kind };
  const take = ({ name: layer }: MeasuredLayer): Float32Array => {
    const values = result.read(layer);
    if (values === undefined || values.kind !== kind) {
      throw new InvalidArgumentError(
        `The measurement of ${layer} gave ${values?.kind ?? "nothing"} instead of ${kind}.`,
      );
    }
    return values.values;
  };
  // Hashes stand before the values: each layer is read twice, and one at a time.
  for (const layer of result.layers) {
    wait.signal?.throwIfAborted();
    const values = take(layer);
    metadata[`sha256.${layer.name}`] = hashOf(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  const tensors = result.layers.map((layer) => ({
    name: layer.name,
    type: "F32",
    shape: shapeOf(kind, layer),
    read: async () => take(layer),
  }));
  await writeSafetensors(path, tensors, { metadata, ...wait });
}

function shapeOf(kind: Sensitivity["kind"], { rows, columns }: LinearShape): readonly number[] {
  switch (kind) {
    case "columns":
      return [columns];
    case "weights":
      return [rows, columns];
    case "moments":
      return [columns, columns];
    default:
      return kind satisfies never;
  }
}

function hashOf(bytes: Uint8Array): string {
  const hash = createSha256();
  hash.update(bytes);
  return hash.digest();
}
