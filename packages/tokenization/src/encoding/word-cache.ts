import { WORD_CACHE_ENTRIES, WORD_CACHE_MAXIMUM_LENGTH } from "../limits.js";
import type { EncodeWord } from "./encode-word.js";

/** Remembers the ids of short words; starts over when full, which costs less than keeping an order of use. */
export function withWordCache(encode: EncodeWord): EncodeWord {
  const cache = new Map<string, readonly number[]>();
  return (word) => {
    if (word.length > WORD_CACHE_MAXIMUM_LENGTH) return encode(word);
    let ids = cache.get(word);
    if (ids === undefined) {
      ids = encode(word);
      if (cache.size >= WORD_CACHE_ENTRIES) cache.clear();
      cache.set(word, ids);
    }
    return ids;
  };
}
