import { InvalidArgumentError, InvalidFileError } from "@stepdown/core";
import { MAXIMUM_TEMPLATE_LENGTH } from "../limits.js";
import { compileJinja } from "./jinja.js";

/** A chat template, parsed when first used. */
export interface ChatTemplate {
  /** Renders with the given variables, besides Jinja's own functions, `raise_exception` and `strftime_now`. */
  render(variables: Readonly<Record<string, unknown>>): string;
}

/** A template from its Jinja source. */
export function createChatTemplate(source: string): ChatTemplate {
  let compiled: ReturnType<typeof compileJinja> | undefined;
  return {
    render(variables) {
      compiled ??= compile(source);
      try {
        return compiled(variables);
      } catch (cause) {
        throw new InvalidArgumentError(
          `The chat template refused the conversation: ${messageOf(cause)}. Change the messages or the template's variables.`,
          { cause },
        );
      }
    },
  };
}

function compile(source: string): ReturnType<typeof compileJinja> {
  if (source.length > MAXIMUM_TEMPLATE_LENGTH) {
    throw new InvalidFileError(
      `The chat template has ${source.length} characters; at most ${MAXIMUM_TEMPLATE_LENGTH} are allowed.`,
    );
  }
  try {
    return compileJinja(source);
  } catch (cause) {
    throw new InvalidFileError(
      `The chat template cannot be parsed: ${messageOf(cause)} Pass another template or build the prompt yourself.`,
      { cause },
    );
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
