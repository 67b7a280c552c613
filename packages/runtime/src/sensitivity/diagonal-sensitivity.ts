import type { SensitivitySource } from "@stepdown/core";

/**
 * The same source with matrices of second moments reduced to their diagonals (kind `columns`), for quantizers that know no
 * error feedback. Other kinds pass unchanged.
 */
export function diagonalSensitivity(source: SensitivitySource): SensitivitySource {
  return {
    name: source.name,
    key: `${source.key} diagonal`,
    async read(name, shape, wait) {
      const found = await source.read(name, shape, wait);
      if (found?.kind !== "moments") return found;
      const { columns } = shape;
      return {
        kind: "columns",
        values: Float32Array.from({ length: columns }, (_, k) => found.values[k * columns + k]!),
      };
    },
  };
}
