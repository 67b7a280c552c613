import { fromByteAlphabet } from "../byte-alphabet.js";
import type { DecoderStageFactory } from "./decoder-stage.js";

const byteToken = /^<0x([0-9A-Fa-f]{2})>$/;

/** A byte order mark in the middle of a text is a character like any other, hence `ignoreBOM`. */
function createUtf8Decoder(): TextDecoder {
  return new TextDecoder("utf-8", { ignoreBOM: true });
}

/** Byte-level BPE: all tokens are bytes of one text. An unfinished character waits for its last byte. */
export const byteLevelStage: DecoderStageFactory = () => {
  const decoder = createUtf8Decoder();
  let started = false;
  return {
    push(text, _starts, emit) {
      emit(decoder.decode(fromByteAlphabet(text), { stream: true }), !started);
      started = true;
    },
    end(emit) {
      emit(decoder.decode(), !started);
    },
  };
};

/** Byte fallback: a run of `<0xNN>` tokens becomes one string of the text its bytes spell; other tokens pass. */
export const byteFallbackStage: DecoderStageFactory = () => {
  const decoder = createUtf8Decoder();
  let inRun = false;
  return {
    push(text, starts, emit) {
      const byte = byteToken.exec(text);
      if (byte !== null) {
        emit(decoder.decode(Uint8Array.of(Number.parseInt(byte[1]!, 16)), { stream: true }), !inRun);
        inRun = true;
        return;
      }
      if (inRun) emit(decoder.decode(), false);
      inRun = false;
      emit(text, starts);
    },
    end(emit) {
      if (inRun) emit(decoder.decode(), false);
    },
  };
};
