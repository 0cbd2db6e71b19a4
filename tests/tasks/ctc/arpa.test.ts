/** ARPA language models: scores computed by hand, gzip, and errors with their lines. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readArpa } from "../../../src/tasks/ctc/arpa.js";

const TRIGRAMS = `some words before

\\data\\
ngram 1=5
ngram 2=4
ngram 3=2

\\1-grams:
-1.5\t<unk>
-99\t<s>\t-0.25
-0.75\t</s>
-1.0\tthe\t-0.5
-1.25\tcat\t-0.125

\\2-grams:
-0.3\t<s> the\t-0.0625
-0.4\tthe cat\t-0.03125
-0.6\tcat </s>
-0.7\tcat the

\\3-grams:
-0.2\t<s> the cat
-0.1\tthe cat </s>

\\end\\
`;

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "arpa-"));
});
afterAll(() => rm(root, { recursive: true }));

async function file(content: string | Uint8Array): Promise<string> {
  const path = join(await mkdtemp(join(root, "lm-")), "lm.arpa");
  await writeFile(path, content);
  return path;
}

const log10 = (value: number) => value / Math.LN10;

describe("scores", () => {
  it("are the n-gram's where there is one, else backed off", async () => {
    const model = await readArpa(await file(TRIGRAMS));
    expect(model.order).toBe(3);
    expect(log10(model.sentence(["the", "cat"]))).toBeCloseTo(-0.3 - 0.2 - 0.1, 12);
    // <s>: (backoff -0.25) + cat -1.25; then "<s> cat" isn't there: "cat the" -0.7; then "cat the" has no backoff: the (-0.5) + </s> -0.75.
    expect(log10(model.sentence(["cat", "the"]))).toBeCloseTo(-0.25 - 1.25 - 0.7 - 0.5 - 0.75, 12);
    // "<s> the" -0.3; "<s> the the" and "the the" aren't there: -0.0625 -0.5 -1.0.
    const the = model.next(model.start, "the");
    expect(log10(model.next(the.state, "the").score)).toBeCloseTo(-0.0625 - 0.5 - 1.0, 12);
    // An unknown word: the backoffs of its context, and <unk>; nothing is known after it.
    const dog = model.next(the.state, "dog");
    expect(log10(dog.score)).toBeCloseTo(-0.0625 - 0.5 - 1.5, 12);
    expect(log10(model.end(dog.state))).toBeCloseTo(-0.75, 12);
    expect(log10(model.sentence([]))).toBeCloseTo(-0.25 - 0.75, 12);
    expect(model.has("cat")).toBe(true);
    expect(model.has("dog")).toBe(false);
  });

  it("add up to one after any context where the model is proper", async () => {
    const proper = [
      "\\data\\\nngram 1=4\nngram 2=1\n\\1-grams:",
      `-99 <s> ${Math.log10((1 - 0.7) / (1 - 0.5))}`,
      `${Math.log10(0.2)} </s>`,
      `${Math.log10(0.5)} a`,
      `${Math.log10(0.3)} b`,
      "\\2-grams:",
      `${Math.log10(0.7)} <s> a`,
      "\\end\\",
    ].join("\n");
    const model = await readArpa(await file(proper));
    const total =
      Math.exp(model.end(model.start)) + Math.exp(model.next(model.start, "a").score) + Math.exp(model.next(model.start, "b").score);
    expect(total).toBeCloseTo(1, 12);
    expect(log10(model.next(model.start, "z").score)).toBeCloseTo(Math.log10(0.6) - 100, 9);
  });

  it("are the same from a gzipped file, with Windows line ends, and of one order alone", async () => {
    const plain = await readArpa(await file(TRIGRAMS));
    for (const content of [gzipSync(TRIGRAMS), TRIGRAMS.replaceAll("\n", "\r\n")]) {
      const model = await readArpa(await file(content));
      expect(model.sentence(["the", "cat", "the"])).toBe(plain.sentence(["the", "cat", "the"]));
    }
    const unigrams = await readArpa(await file("\\data\\\nngram 1=3\n\\1-grams:\n-99 <s>\n-1 </s>\n-2 a\n\\end\\\n"));
    expect(log10(unigrams.sentence(["a", "a"]))).toBeCloseTo(-5, 12);
  });
});

describe("errors", () => {
  it.each([
    ["no ARPA file", "hello\n", /lm\.arpa: isn't an ARPA file: it has no \\data\\/],
    ["a truncated one", TRIGRAMS.replace("\\end\\", ""), /lm\.arpa: truncated: it has no \\end\\/],
    ["a wrong count", TRIGRAMS.replace("ngram 2=4", "ngram 2=5"), /lm\.arpa:21: expected 5 2-grams, got 4/],
    ["too many", TRIGRAMS.replace("ngram 2=4", "ngram 2=3"), /lm\.arpa:19: expected 3 2-grams, got more/],
    ["an order out of turn", TRIGRAMS.replace("\\2-grams:", "\\3-grams:"), /lm\.arpa:15: expected \\2-grams:, got \\3-grams:/],
    ["a probability above one", TRIGRAMS.replace("-0.4\t", "0.4\t"), /lm\.arpa:17: expected a log-probability up to 0, got 0\.4/],
    ["no number", TRIGRAMS.replace("-0.4\t", "x\t"), /lm\.arpa:17: expected a log-probability up to 0, got x/],
    ["a bad backoff weight", TRIGRAMS.replace("-0.03125", "y"), /lm\.arpa:17: expected a backoff weight, got y/],
    ["too few words", TRIGRAMS.replace("cat </s>", "cat"), /lm\.arpa:18: expected a 2-gram/],
    ["a word of no 1-gram", TRIGRAMS.replace("cat the\n", "cat dog\n"), /lm\.arpa:19: the shorter n-grams lack a part of "cat dog"/],
    ["an n-gram twice", TRIGRAMS.replace("cat the\n", "the cat\n"), /lm\.arpa:19: "the cat" comes twice/],
    ["a bad count", TRIGRAMS.replace("ngram 2=4", "ngram 3=4"), /lm\.arpa:5: expected "ngram 2=COUNT", got "ngram 3=4"/],
    ["no end of sentence", TRIGRAMS.replace("</s>\n-1.0", "end\n-1.0").replaceAll("cat </s>", "cat end"), /its 1-grams lack <\/s>/],
  ])("name %s", async (_, content, message) => {
    await expect(readArpa(await file(content))).rejects.toThrow(message);
  });

  it("name a missing file, a folder, a damaged gzip and what isn't UTF-8", async () => {
    await expect(readArpa(join(root, "none"))).rejects.toThrow(`${join(root, "none")}: no such file`);
    await expect(readArpa(root)).rejects.toThrow(`${root}: is a folder, not a file`);
    const cut = Buffer.from(TRIGRAMS);
    cut[cut.indexOf("cat")] = 0xff;
    await expect(readArpa(await file(cut))).rejects.toThrow(/lm\.arpa:13: not UTF-8/);
    const packed = gzipSync(TRIGRAMS);
    await expect(readArpa(await file(packed.subarray(0, packed.length - 20)))).rejects.toThrow(/lm\.arpa: unexpected end of file/);
  });
});
