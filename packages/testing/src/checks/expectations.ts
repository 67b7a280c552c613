import { StepdownError } from "@stepdown/core";

/** Throws unless a condition holds. */
export function expectThat(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Throws unless two plain values are equal: numbers, strings, lists, objects, compared by their JSON text. */
export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  expectThat(found === wanted, `${what}: expected ${shortened(wanted)}, got ${shortened(found)}.`);
}

/** Throws unless the work throws or rejects with one of this project's errors of the wanted class name. */
export async function expectRefusal(work: () => unknown, names: readonly string[], what: string): Promise<void> {
  let error: unknown;
  try {
    await work();
  } catch (thrown) {
    error = thrown;
  }
  const wanted = names.join(" or ");
  expectThat(error !== undefined, `${what}: expected ${wanted}, but nothing was thrown.`);
  // Names rather than instanceof: the implementation may use another copy of the core package.
  const isExpected = StepdownError.isInstance(error) && names.includes(error.name);
  expectThat(isExpected, `${what}: expected ${wanted}, got ${describeError(error)}.`);
}

function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function shortened(text: string | undefined): string {
  return text !== undefined && text.length > 300 ? `${text.slice(0, 300)} …` : String(text);
}
