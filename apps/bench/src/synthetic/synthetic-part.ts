/** Single pieces of synthetic nested layers, each from its own seed, so that any piece can be made without the others. */
import { float32ToFloat16, type LayerFacts, type NestedLayerPart } from "@stepdown/model-format";
import { createRandomNumbers, seedOf } from "../random-numbers.js";
import { exponentFor, randomBytes, randomHalves } from "./random-patterns.js";

/** Largest code of a binary-coded scale; those of further planes halve, as in a fitted code. */
const LARGEST_CODE = 127;
/** Smallest normal half-precision number. */
const SMALLEST_NORMAL_HALF = 2 ** -14;

/** One piece of a layer, of the type and length that `@stepdown/model-format` stores it with. */
export function syntheticPart(
  facts: LayerFacts,
  part: NestedLayerPart,
  seed: number,
): Uint8Array | Uint16Array | Int8Array | Float32Array {
  const { rows, columns } = facts;
  const random = createRandomNumbers(seedOf(seed, `${facts.name}/${JSON.stringify(part)}`));
  const groups = columns / (facts.groupSize ?? columns);
  // The scale at which a row's weights have a root mean square of columns^(−1/2).
  const scale = 1 / Math.sqrt(columns);
  switch (part.kind) {
    case "plane":
      return randomPlane(rows, columns, randomBytes(rows * Math.ceil(columns / 8), random));
    case "table":
      return randomHalves(rows * 2 ** part.precision, exponentFor(columns), random);
    case "scale":
      // A uniform code between −s and s has the root mean square s/√3.
      return Float32Array.from({ length: rows }, () => scale * Math.sqrt(3) * (0.9 + 0.2 * random.uniform()));
    case "outlier-starts":
    case "outlier-columns":
    case "outlier-values":
      throw new Error(`synthetic layers have no ${part.kind}`);
    case "scale-codes":
      return Int8Array.from({ length: rows * groups * part.precision }, (_, index) => {
        const code = Math.max(1, LARGEST_CODE >> (index % part.precision));
        return random.uniform() < 0.5 ? -code : code;
      });
    case "scale-steps":
      return float32ToFloat16(
        Float32Array.from({ length: rows }, () => Math.max(SMALLEST_NORMAL_HALF, (scale * 0.87) / LARGEST_CODE)),
      );
    case "offset-codes":
      return Int8Array.from({ length: rows * groups }, () => Math.floor(random.uniform() * 9) - 4);
  }
}

/** Clears the surplus bits of every row's last byte. */
function randomPlane(rows: number, columns: number, bytes: Uint8Array): Uint8Array {
  const surplus = columns % 8;
  const rowBytes = Math.ceil(columns / 8);
  if (surplus === 0) return bytes;
  for (let row = 1; row <= rows; row++) bytes[row * rowBytes - 1]! &= (1 << surplus) - 1;
  return bytes;
}
