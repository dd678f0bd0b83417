// Prompts and answers: a passage of a document and what comes after it, or what is made of that.
import { type Random, shuffle } from "../../clients/training/random.ts";
import { CORPORA, type Corpus, corpusDocuments, type Split } from "./corpora.ts";

/** Words of a prompt, and of an answer. */
export const PASSAGE_WORDS = 64;

/** A document as its words: what stands between blanks. */
export type Words = { readonly corpus: Corpus; readonly name: string; readonly words: readonly string[] };

/** Bad answers, by how they come from the true one. */
export const BAD_ANSWERS = ["other corpus", "same corpus", "shuffled", "loop"] as const;
export type BadAnswer = (typeof BAD_ANSWERS)[number];

export function documentWords(corpus: Corpus, split: Split): Words[] {
  return corpusDocuments(corpus, split).map(({ name, text }) => ({
    corpus,
    name,
    words: text.match(/\S+/gu) ?? [],
  }));
}

/** The words in a random order. */
export function shuffled(words: readonly string[], random: Random): string[] {
  const order = Uint32Array.from(words.keys());
  shuffle(order, random);
  return Array.from(order, (i) => words[i]!);
}

/** As many words, of which the first `period` come again and again. */
export function looped(words: readonly string[], period: number): string[] {
  return words.map((_, i) => words[i % period]!);
}

export type Case = {
  readonly corpus: Corpus;
  readonly document: string;
  readonly prompt: string;
  readonly trueAnswer: string;
  readonly badAnswers: Readonly<Record<BadAnswer, string>>;
};

/** Longest loop of a case, in words. */
const LONGEST_LOOP = 8;

/**
 * Cases of held-out documents, as many from each corpus: all passages of the smaller one. The answers of other passages
 * are the true answers in another order, so that an answer alone does not tell whether it is the true one.
 */
export function heldOutCases(random: Random): Case[] {
  const passages = CORPORA.map((corpus) => {
    const found = documentWords(corpus, "heldOut").flatMap(({ name, words }) =>
      Array.from({ length: Math.floor(words.length / PASSAGE_WORDS) - 1 }, (_, i) => ({
        corpus,
        document: name,
        prompt: words.slice(i * PASSAGE_WORDS, (i + 1) * PASSAGE_WORDS),
        answer: words.slice((i + 1) * PASSAGE_WORDS, (i + 2) * PASSAGE_WORDS),
      })),
    );
    const order = Uint32Array.from(found.keys());
    shuffle(order, random);
    return Array.from(order, (i) => found[i]!);
  });
  const count = Math.min(...passages.map(({ length }) => length));
  const text = (words: readonly string[]) => words.join(" ");
  return passages.flatMap((unequal, side) => {
    const own = unequal.slice(0, count);
    const others = passages[1 - side]!;
    const partners = partnersOfOtherDocuments(own.map(({ document }) => document));
    return own.map(({ corpus, document, prompt, answer }, i) => ({
      corpus,
      document,
      prompt: text(prompt),
      trueAnswer: text(answer),
      badAnswers: {
        "other corpus": text(others[i]!.answer),
        "same corpus": text(own[partners[i]!]!.answer),
        shuffled: text(shuffled(answer, random)),
        loop: text(looped(answer, 1 + Math.floor(LONGEST_LOOP * random()))),
      },
    }));
  });
}

/** A permutation that gives each passage one of another document: along all passages, sorted by document, half way. */
function partnersOfOtherDocuments(documents: readonly string[]): number[] {
  const sorted = [...documents.keys()].sort((a, b) =>
    documents[a]! < documents[b]! ? -1 : documents[a]! > documents[b]! ? 1 : a - b,
  );
  const partners: number[] = [];
  for (const [rank, i] of sorted.entries()) {
    partners[i] = sorted[(rank + (sorted.length >> 1)) % sorted.length]!;
  }
  return partners;
}
