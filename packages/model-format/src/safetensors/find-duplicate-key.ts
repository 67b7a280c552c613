import { MAXIMUM_HEADER_DEPTH } from "../limits.js";

/**
 * The first key that occurs twice in one object of a valid JSON text, at any depth, or `undefined`. `JSON.parse` keeps the
 * last of two equal keys silently, which would let two readers see different tensors in one file.
 *
 * Text nested deeper than a header can be is reported as a duplicate of `"{"`. The text must have passed `JSON.parse`.
 */
export function findDuplicateKey(text: string): string | undefined {
  // One entry per open bracket: the keys of an object, or undefined inside an array.
  const open: (Set<string> | undefined)[] = [];
  let expectsKey = false;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x7b: // {
      case 0x5b: {
        const isObject = text[i] === "{";
        open.push(isObject ? new Set() : undefined);
        if (open.length > MAXIMUM_HEADER_DEPTH) return "{";
        expectsKey = isObject;
        break;
      }
      case 0x7d: // }
      case 0x5d:
        open.pop();
        expectsKey = false;
        break;
      case 0x2c: // ,
        expectsKey = open[open.length - 1] !== undefined;
        break;
      case 0x22: {
        const start = i;
        let escaped = false;
        for (i++; text.charCodeAt(i) !== 0x22; i++) {
          if (text.charCodeAt(i) === 0x5c) {
            escaped = true;
            i++;
          }
        }
        if (!expectsKey) break;
        expectsKey = false;
        const key = escaped ? (JSON.parse(text.slice(start, i + 1)) as string) : text.slice(start + 1, i);
        const keys = open[open.length - 1] as Set<string>;
        if (keys.has(key)) return key;
        keys.add(key);
        break;
      }
    }
  }
  return undefined;
}
