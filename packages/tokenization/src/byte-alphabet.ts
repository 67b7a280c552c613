/**
 * The alphabet of byte-level BPE (GPT-2): each of the 256 bytes is one printable character. Bytes 21–7E, A1–AC and AE–FF
 * stand for themselves; the other 68 take the code points from U+0100 on, in ascending order of the byte.
 */
const byteToCharacter: readonly string[] = buildAlphabet();
const characterToByte: ReadonlyMap<string, number> = new Map(
  byteToCharacter.map((character, byte) => [character, byte]),
);
const encoder = new TextEncoder();

/** UTF-8 bytes of a text, written in the alphabet. */
export function toByteAlphabet(text: string): string {
  let result = "";
  for (const byte of encoder.encode(text)) result += byteToCharacter[byte];
  return result;
}

/** Bytes a token stands for. A token with a character outside the alphabet (added tokens) stands for its own UTF-8 bytes. */
export function fromByteAlphabet(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = characterToByte.get(character);
    if (byte === undefined) return encoder.encode(token);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

function buildAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : next++);
  });
}
