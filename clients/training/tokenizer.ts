// Byte-level byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909; on bytes as in GPT-2, Radford et al. 2019).
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { GradworkError } from "../model/errors.ts";

/** Text ↔ tokens; `decode(encode(text))` is the text, for every well-formed string. */
export type Tokenizer = {
  readonly vocabularySize: number;
  readonly encode: (text: string) => Uint32Array;
  readonly decode: (tokens: Uint32Array) => string;
};

const BYTE_VALUES = 256;

/** GPT-2's split into words, which no token crosses: the one that a `ByteLevel` pre-tokenizer stands for. */
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/**
 * Learns a vocabulary from a text: the 256 bytes, then the most frequent pair of neighbours again and again (of equally
 * frequent ones that with the smaller tokens).
 * @param vocabularySize at least 257
 * @returns a `tokenizer.json` in Hugging Face's format; the same text gives the same bytes
 * @throws {GradworkError} `VOCABULARY_OUT_OF_REACH` when the text has too few pairs
 */
export function trainTokenizer(text: string, vocabularySize: number): Uint8Array {
  const encoder = new TextEncoder();
  const words = countWords(text.match(WORDS) ?? [], (word) => Array.from(encoder.encode(word)));
  const pieces = byteCharacters();
  const merges = learnMerges(words, pieces, vocabularySize, (left, right) => left + right);
  return tokenizerJson(pieces, merges);
}

/** A word as the tokens it is made of so far, and how often it occurs. */
export type CountedWord = { readonly tokens: number[]; count: number };

/** Counts words; `split` gives the tokens that one is made of before anything is merged. */
export function countWords(words: Iterable<string>, split: (word: string) => number[]): CountedWord[] {
  const counted = new Map<string, CountedWord>();
  for (const word of words) {
    const known = counted.get(word);
    if (known === undefined) counted.set(word, { tokens: split(word), count: 1 });
    else known.count++;
  }
  return [...counted.values()];
}

/**
 * Merges the most frequent pair of neighbours again and again (of equally frequent ones that with the smaller tokens).
 * @param words changed to what the merges make of them
 * @param pieces of each token; each merge adds one
 * @param join the piece of two pieces
 * @returns the pieces that each merge joined
 * @throws {GradworkError} `VOCABULARY_OUT_OF_REACH` when the words have too few pairs
 */
export function learnMerges(
  words: readonly CountedWord[],
  pieces: string[],
  vocabularySize: number,
  join: (left: string, right: string) => string,
): [string, string][] {
  const merges: [string, string][] = [];

  // How often each pair of neighbours occurs, and in which words; a pair is left·2²⁴ + right.
  const pairs = new Map<number, { count: number; readonly words: Set<number> }>();
  const changePair = (left: number, right: number, word: number, change: number) => {
    const key = left * 2 ** 24 + right;
    let pair = pairs.get(key);
    if (pair === undefined) {
      pair = { count: 0, words: new Set() };
      pairs.set(key, pair);
    }
    pair.count += change;
    pair.words.add(word);
  };
  const changeWord = (index: number, sign: 1 | -1) => {
    const { tokens, count } = words[index]!;
    for (let i = 1; i < tokens.length; i++) changePair(tokens[i - 1]!, tokens[i]!, index, sign * count);
  };
  for (const index of words.keys()) changeWord(index, 1);

  while (pieces.length < vocabularySize) {
    let best = 0;
    let bestCount = 0;
    for (const [key, { count }] of pairs) {
      if (count > bestCount || (count === bestCount && key < best)) [best, bestCount] = [key, count];
    }
    if (bestCount === 0) {
      throw new GradworkError(
        "VOCABULARY_OUT_OF_REACH",
        `Expected a text with enough pairs for ${vocabularySize} tokens, it gives ${pieces.length}`,
        { vocabularySize, reached: pieces.length },
      );
    }
    const [left, right] = [Math.floor(best / 2 ** 24), best % 2 ** 24];
    const merged = pieces.length;
    pieces.push(join(pieces[left]!, pieces[right]!));
    merges.push([pieces[left]!, pieces[right]!]);
    for (const index of pairs.get(best)!.words) {
      changeWord(index, -1);
      mergePair(words[index]!.tokens, left, right, merged);
      changeWord(index, 1);
    }
    pairs.delete(best);
  }
  return merges;
}

/**
 * The tokenizer of a `tokenizer.json`.
 * @throws {GradworkError} `INVALID_TOKENIZER` when the bytes are none
 */
export function loadTokenizer(bytes: Uint8Array): Tokenizer {
  const tokenizer = readTokenizer(bytes);
  return {
    vocabularySize: tokenizer.get_vocab().size,
    encode: (text) => Uint32Array.from(tokenizer.encode(text, { add_special_tokens: false }).ids),
    decode: (tokens) =>
      tokens.length === 0 ? "" : tokenizer.decode([...tokens], { clean_up_tokenization_spaces: false }),
  };
}

function readTokenizer(bytes: Uint8Array): HuggingFaceTokenizer {
  try {
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return new HuggingFaceTokenizer(json as object, {});
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new GradworkError(
      "INVALID_TOKENIZER",
      `Expected a tokenizer.json of Hugging Face, got: ${reason}`,
      { reason },
    );
  }
}

/** Replaces each `left, right`, from the left, by `merged`. */
function mergePair(tokens: number[], left: number, right: number, merged: number): void {
  let length = 0;
  for (let i = 0; i < tokens.length; i++) {
    const pair = tokens[i] === left && tokens[i + 1] === right;
    tokens[length++] = pair ? merged : tokens[i]!;
    if (pair) i++;
  }
  tokens.length = length;
}

/** GPT-2's printable stand-in for each byte: itself if it is printable Latin-1, else the next character from 256 on. */
function byteCharacters(): string[] {
  let substitute = 256;
  return Array.from({ length: BYTE_VALUES }, (_, byte) => {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCharCode(printable ? byte : substitute++);
  });
}

function tokenizerJson(pieces: readonly string[], merges: readonly [string, string][]): Uint8Array {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(pieces.map((piece, token) => [piece, token])),
      merges,
    },
  };
  return new TextEncoder().encode(JSON.stringify(json));
}
