// WordPiece (Schuster and Nakajima 2012; Devlin et al. 2019, arXiv 1810.04805), as BERT splits text.
import { countWords, learnMerges } from "./tokenizer.ts";

/** BERT's special tokens, in the order of their ids. */
export const SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] as const;

/** Begins each piece that does not begin a word. */
const CONTINUATION = "##";

/** BERT's words: lower case without accents, each sign of punctuation a word of its own. */
const WORDS = /[\p{P}$+<=>^`|~]|[^\s\p{P}$+<=>^`|~]+/gu;

/**
 * Learns a vocabulary from texts: BERT's special tokens, the characters, then what joins the most frequent pair of
 * neighbours within words again and again. Words are then split by the longest pieces, from the left.
 * @returns a `tokenizer.json` of Hugging Face that lowers case and makes pairs `[CLS] a [SEP] b [SEP]` with token types 0
 * and 1; the same texts give the same bytes
 * @throws {GradworkError} `VOCABULARY_OUT_OF_REACH` when the texts have too few pairs of pieces
 */
export function trainWordPiece(texts: readonly string[], vocabularySize: number): Uint8Array {
  const lowered = texts.map((text) =>
    text
      .normalize("NFD")
      .replace(/\p{Mn}/gu, "")
      .toLowerCase(),
  );
  const pieces: string[] = [...SPECIAL_TOKENS];
  const characters = new Set(lowered.flatMap((text) => [...new Set(text.replace(/\s/gu, ""))]));
  const alphabet = [...characters].sort().flatMap((character) => [character, CONTINUATION + character]);
  pieces.push(...alphabet);
  const tokens = new Map(pieces.map((piece, token) => [piece, token]));
  const words = countWords(
    lowered.flatMap((text) => text.match(WORDS) ?? []),
    (word) => Array.from(word, (character, i) => tokens.get(i === 0 ? character : CONTINUATION + character)!),
  );
  learnMerges(words, pieces, vocabularySize, (left, right) => left + right.slice(CONTINUATION.length));
  return wordPieceJson([...new Set(pieces)]);
}

function wordPieceJson(pieces: readonly string[]): Uint8Array {
  const id = (token: (typeof SPECIAL_TOKENS)[number]) => SPECIAL_TOKENS.indexOf(token);
  const special = (token: "[CLS]" | "[SEP]", type: 0 | 1) => ({ SpecialToken: { id: token, type_id: type } });
  const sequence = (name: "A" | "B", type: 0 | 1) => ({ Sequence: { id: name, type_id: type } });
  const single = [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0)];
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((content) => ({
      id: id(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single,
      pair: [...single, sequence("B", 1), special("[SEP]", 1)],
      special_tokens: Object.fromEntries(
        (["[CLS]", "[SEP]"] as const).map((token) => [
          token,
          { id: token, ids: [id(token)], tokens: [token] },
        ]),
      ),
    },
    decoder: { type: "WordPiece", prefix: CONTINUATION, cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: CONTINUATION,
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(pieces.map((piece, token) => [piece, token])),
    },
  };
  return new TextEncoder().encode(JSON.stringify(json));
}
