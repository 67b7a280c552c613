/**
 * Templates in the Jinja dialect of model files, over the library's parser and interpreter. The functions that the
 * reference offers to templates are set here instead of by the library: its strftime_now knows too few directives and its
 * range has no limit. (Types are our own: the library's declarations import without file extensions.)
 */
import * as library from "@huggingface/jinja";
import { formatTime } from "./format-time.js";

/** Numbers a template's `range` may give. Templates count messages; a hostile one must not fill the memory. */
const MAXIMUM_RANGE_LENGTH = 1_000_000;

interface Environment {
  set(name: string, value: unknown): void;
}

interface LibraryParts {
  readonly tokenize: (
    source: string,
    options: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean },
  ) => unknown;
  readonly parse: (tokens: unknown) => unknown;
  readonly Environment: new (parent?: Environment) => Environment;
  readonly Interpreter: new (environment: Environment) => { run(program: unknown): { readonly value: string } };
}

const parts = library as unknown as LibraryParts;

/** Parses a template; the function renders it. Both throw the library's errors. */
export function compileJinja(source: string): (variables: Readonly<Record<string, unknown>>) => string {
  // Jinja makes all line ends the same before it reads a template.
  const tokens = parts.tokenize(source.replace(/\r\n?/g, "\n"), { lstrip_blocks: true, trim_blocks: true });
  const program = parts.parse(tokens);
  return (variables) => {
    const globals = new parts.Environment();
    for (const [name, value] of Object.entries(templateFunctions)) globals.set(name, value);
    const scope = new parts.Environment(globals);
    for (const [name, value] of Object.entries(variables)) scope.set(name, value);
    return new parts.Interpreter(scope).run(program).value;
  };
}

const templateFunctions: Readonly<Record<string, unknown>> = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  range,
  raise_exception(message: unknown) {
    throw new Error(String(message));
  },
  strftime_now(format: unknown) {
    return formatTime(new Date(), String(format));
  },
};

function range(first: number, second?: number | null, step = 1): number[] {
  const [start, stop] = typeof second === "number" ? [first, second] : [0, first];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= MAXIMUM_RANGE_LENGTH))
    throw new Error(`range() of ${length} numbers, at most ${MAXIMUM_RANGE_LENGTH} are allowed`);
  return Array.from({ length }, (_, index) => start + index * step);
}
