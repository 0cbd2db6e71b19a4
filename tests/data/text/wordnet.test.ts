/** The sample set: what it says of itself holds, and it opens with the defaults. */
import { beforeAll, describe, expect, it } from "vitest";
import { openCorpus, type TextCorpus } from "../../../src/data/text/corpus.js";
import { corpusFiles, readSentences } from "../../../src/data/text/documents.js";
import type { LabelledText } from "../../../src/data/text/labelled-text.js";
import { openLabelledText } from "../../../src/data/text/open-labelled-text.js";
import type { Tokenizer } from "../../../src/data/text/tokenizer.js";
import { trainTokenizer } from "../../../src/data/text/train-tokenizer.js";

const FOLDER = "examples/data/wordnet";

describe("WordNet's glosses", () => {
  let train: LabelledText;
  let test: LabelledText;
  const glosses: string[] = [];
  let tokenizer: Tokenizer;
  let corpus: TextCorpus;

  beforeAll(async () => {
    train = await openLabelledText(FOLDER, { split: "train" });
    test = await openLabelledText(FOLDER, { split: "test", classes: train.classes });
    const files = await corpusFiles(FOLDER);
    for await (const some of readSentences(files)) glosses.push(...some.filter((sentence) => sentence !== null));
    tokenizer = await trainTokenizer(glosses.slice(0, 3000), { vocab: 1000 });
    corpus = await openCorpus(FOLDER, { tokenizer, tokensPerSample: 128 });
  });

  it("are balanced over ten classes, no text twice, none of the test set in what is learned from", () => {
    expect([train.size, test.size, train.classes?.length]).toEqual([15_000, 5000, 10]);
    for (const set of [train, test]) {
      const counts = new Array(10).fill(0);
      for (let i = 0; i < set.size; i++) counts[set.label(i)] += 1;
      expect(new Set(counts).size).toBe(1);
    }
    const texts = [train, test].flatMap((set) => Array.from({ length: set.size }, (_, i) => set.text(i)));
    expect(new Set(texts).size).toBe(20_000);
    const held = new Set(texts.slice(15_000));
    const definitions = glosses.map((gloss) => gloss.split(/;? ?"/)[0]!.replace(/[;:\s]+$/, ""));
    expect(definitions.filter((definition) => held.has(definition))).toEqual([]);
  });

  it("pack into blocks", () => {
    expect(glosses.length).toBe(112_174);
    expect(corpus.sentences).toBe(glosses.length);
    const lengths = glosses.map((gloss) => tokenizer.encode(gloss).length + 1);
    const kept = lengths.filter((length) => length <= 127);
    expect(corpus.tooLong).toBe(lengths.length - kept.length);
    const total = (values: number[]) => values.reduce((sum, value) => sum + value, 0);
    expect(corpus.tokens).toBe(total(lengths));
    expect(total(Array.from({ length: corpus.size }, (_, index) => corpus.length(index) - 1))).toBe(total(kept));
  });
});
