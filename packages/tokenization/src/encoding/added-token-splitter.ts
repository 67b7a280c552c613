import type { AddedToken } from "./added-token.js";

/** A stretch of text between added tokens, or an added token. `start` is the offset of a stretch in the text that was split. */
export type TextSection = { readonly text: string; readonly start: number } | { readonly id: number };

/** Finds added tokens in a text. */
export interface AddedTokenSplitter {
  /** Sections in order, none of them empty. `skip` names tokens to be read as plain text. */
  split(text: string, skip?: (token: AddedToken) => boolean): TextSection[];
}

interface TrieNode {
  readonly next: Map<number, TrieNode>;
  token?: AddedToken;
}

/**
 * A splitter over tokens and the strings to find them by. The leftmost match wins, among those the longest; a match that
 * is refused (single-word, skipped) still uses up its text, as in the reference library.
 */
export function createAddedTokenSplitter(entries: readonly (readonly [string, AddedToken])[]): AddedTokenSplitter {
  const root = buildTrie(entries);
  return {
    split(text, skip) {
      if (root.next.size === 0) return text === "" ? [] : [{ text, start: 0 }];
      const sections: TextSection[] = [];
      let covered = 0;
      for (let position = 0; position < text.length; ) {
        const match = longestMatch(root, text, position);
        if (match === undefined) {
          position += 1;
          continue;
        }
        const { token } = match;
        let [start, end] = [position, match.end];
        position = end;
        if (skip?.(token) || (token.singleWord && touchesWord(text, start, end))) continue;
        if (token.stripLeft) while (start > covered && isSpace(text, start - 1)) start -= 1;
        if (token.stripRight) while (end < text.length && isSpace(text, end)) end += 1;
        if (start > covered) sections.push({ text: text.slice(covered, start), start: covered });
        sections.push({ id: token.id });
        covered = end;
        position = Math.max(position, end);
      }
      if (covered < text.length) sections.push({ text: text.slice(covered), start: covered });
      return sections;
    },
  };
}

function buildTrie(entries: readonly (readonly [string, AddedToken])[]): TrieNode {
  const root: TrieNode = { next: new Map() };
  for (const [content, token] of entries) {
    if (content === "") continue;
    let node = root;
    for (let i = 0; i < content.length; i += 1) {
      const unit = content.charCodeAt(i);
      let next = node.next.get(unit);
      if (next === undefined) {
        next = { next: new Map() };
        node.next.set(unit, next);
      }
      node = next;
    }
    node.token = token;
  }
  return root;
}

function longestMatch(root: TrieNode, text: string, start: number): { token: AddedToken; end: number } | undefined {
  let found: { token: AddedToken; end: number } | undefined;
  let node: TrieNode | undefined = root;
  for (let end = start; end < text.length; ) {
    node = node.next.get(text.charCodeAt(end));
    if (node === undefined) break;
    end += 1;
    if (node.token !== undefined) found = { token: node.token, end };
  }
  return found;
}

function touchesWord(text: string, start: number, end: number): boolean {
  return (
    /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]$/u.test(text.slice(Math.max(0, start - 2), start)) ||
    /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u.test(text.slice(end, end + 2))
  );
}

function isSpace(text: string, position: number): boolean {
  return /\p{White_Space}/u.test(text[position]!);
}
