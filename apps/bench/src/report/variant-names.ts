/** How variants are called in tables, charts and `--baseline`. */
import { type ResultRow, variantName } from "./result-document.js";

/** What tells variants of one case apart. */
export type NamedVariant = Pick<ResultRow, "engine" | "codec" | "bits" | "threads">;

/** Everything: "wasm/bcq-4 ×2". */
export function fullName(variant: NamedVariant): string {
  return `${variant.engine}/${variantName(variant)} ×${variant.threads}`;
}

/** The shortest names of one kind that tell the variants apart: the engine and the threads only where they differ. */
export function variantNames(variants: readonly NamedVariant[]): string[] {
  const severalEngines = new Set(variants.map(({ engine }) => engine)).size > 1;
  const severalThreads = new Set(variants.map(({ threads }) => threads)).size > 1;
  return variants.map((variant) => {
    const engine = severalEngines ? `${variant.engine}/` : "";
    return `${engine}${variantName(variant)}${severalThreads ? ` ×${variant.threads}` : ""}`;
  });
}

/** Whether a name as a person writes it means the variant: engine and threads may be left out. */
export function isCalled(variant: NamedVariant, name: string): boolean {
  const plain = variantName(variant);
  const names = [plain, `${variant.engine}/${plain}`];
  return [...names, ...names.flatMap((one) => [`${one} ×${variant.threads}`, `${one}x${variant.threads}`])].includes(
    name,
  );
}
