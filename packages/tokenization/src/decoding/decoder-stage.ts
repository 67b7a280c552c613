/**
 * A stage of decoding as a stream. Decoders of tokenizer.json turn a list of strings into a list of strings; here the list
 * flows: a fragment belongs to the string before it unless it `starts` a new one.
 */
export interface DecoderStage {
  /** Takes a fragment and passes on what is certain. */
  push(text: string, starts: boolean, emit: Emit): void;
  /** Passes on what is still held. */
  end(emit: Emit): void;
}

/** Receives a fragment. */
export type Emit = (text: string, starts: boolean) => void;

/** Makes a fresh stage; stages hold the state of one stream. */
export type DecoderStageFactory = () => DecoderStage;

/** A stage that looks at one whole string at a time and knows whether it is the first. */
export function mapStage(map: (token: string, isFirst: boolean) => string): DecoderStageFactory {
  return () => {
    let isFirst = true;
    return {
      push(text, starts, emit) {
        emit(map(text, isFirst), starts);
        isFirst = false;
      },
      end() {},
    };
  };
}
