import { type DecoderStageFactory, mapStage } from "./decoder-stage.js";

/** All strings become one. */
export const fuseStage: DecoderStageFactory = () => {
  let started = false;
  return {
    push(text, _starts, emit) {
      emit(text, !started);
      started = true;
    },
    end() {},
  };
};

/** Removes up to `start` leading and `stop` trailing characters from every string, as long as they are `content`. */
export function stripStage(content: string, start: number, stop: number): DecoderStageFactory {
  return () => {
    let toStrip = 0;
    let held = ""; // A trailing run of `content` that is dropped if the string ends here.
    return {
      push(text, starts, emit) {
        if (starts) {
          toStrip = start;
          held = "";
        }
        let rest = held + text;
        held = "";
        while (toStrip > 0 && rest !== "") {
          if (!rest.startsWith(content)) {
            toStrip = 0;
            break;
          }
          rest = rest.slice(content.length);
          toStrip -= 1;
        }
        let end = rest.length;
        for (let i = 0; i < stop && rest.slice(0, end).endsWith(content); i += 1) end -= content.length;
        held = rest.slice(end);
        emit(rest.slice(0, end), starts);
      },
      end() {},
    };
  };
}

/** SentencePiece: the mark becomes a space, except in the first string (unless nothing was put in front), where it vanishes. */
export function metaspaceStage(mark: string, prepended: boolean): DecoderStageFactory {
  return mapStage((token, isFirst) => token.replaceAll(mark, isFirst && prepended ? "" : " "));
}

/** WordPiece: a space before every token that does not continue a word. */
export function wordPieceStage(prefix: string, cleanUp: boolean): DecoderStageFactory {
  return mapStage((token, isFirst) => {
    let text = token;
    if (!isFirst) text = prefix !== "" && token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
    return cleanUp ? cleanUpSpaces(text) : text;
  });
}

/** Classic BPE: the end-of-word suffix becomes a space, except in the last token; so each token waits for the next. */
export function suffixStage(suffix: string): DecoderStageFactory {
  return () => {
    let waiting: string | undefined;
    return {
      push(text, _starts, emit) {
        if (waiting !== undefined) emit(waiting.replaceAll(suffix, " "), true);
        waiting = text;
      },
      end(emit) {
        if (waiting !== undefined) emit(waiting.replaceAll(suffix, ""), true);
      },
    };
  };
}

/** Without a decoder the tokens are joined by spaces. */
export const joinStage: DecoderStageFactory = mapStage((token, isFirst) => (isFirst ? token : ` ${token}`));

/** English spacing, in the reference's order. */
const spacing: readonly (readonly [string, string])[] = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" do not", " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

function cleanUpSpaces(text: string): string {
  return spacing.reduce((current, [from, to]) => current.replaceAll(from, to), text);
}
