import type { StreamingDecoder } from "@stepdown/core";
import type { CreateStages } from "./decoder.js";
import type { DecoderStage, Emit } from "./decoder-stage.js";

/** Runs token strings through stages; ids without a string (`tokenOf` gives `undefined`) are left out. */
export function createStagedDecoder(
  createStages: CreateStages,
  tokenOf: (id: number) => string | undefined,
): StreamingDecoder {
  const stages = createStages();
  let output = "";
  const emitters = chain(stages, (text) => {
    output += text;
  });
  const taken = (): string => {
    const result = output;
    output = "";
    return result;
  };
  return {
    push(id) {
      const token = tokenOf(id);
      if (token !== undefined) emitters[0]!(token, true);
      return taken();
    },
    end() {
      for (let index = 0; index < stages.length; index += 1) stages[index]!.end(emitters[index + 1]!);
      return taken();
    },
  };
}

/** For each stage what feeds it; the last entry is the sink. */
function chain(stages: readonly DecoderStage[], sink: Emit): Emit[] {
  const emitters: Emit[] = [sink];
  for (const stage of stages.toReversed()) {
    const next = emitters[0]!;
    emitters.unshift((text, starts) => stage.push(text, starts, next));
  }
  return emitters;
}
