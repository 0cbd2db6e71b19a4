/** Corpora: every format, packing by hand-made cases, the cache, and what is told of bad input. */
import { mkdir, mkdtemp, readdir, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CorpusOptions, openCorpus, type TextCorpus } from "../../../src/data/text/corpus.js";
import { corpusFiles, readSentences } from "../../../src/data/text/documents.js";
import { Packer, type PackMode } from "../../../src/data/text/pack.js";
import { findFiles, readLines } from "../../../src/data/text/text-files.js";
import type { Tokenizer } from "../../../src/data/text/tokenizer.js";
import { trainTokenizer } from "../../../src/data/text/train-tokenizer.js";
import { sentences } from "./corpus-text.js";

let root: string;
let tokenizer: Tokenizer;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "corpus-"));
  tokenizer = await trainTokenizer(sentences(100), { vocab: 400 });
});
afterAll(() => rm(root, { recursive: true }));

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const file = join(root, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}

async function all(place: string, options: Parameters<typeof readSentences>[1] = {}): Promise<(string | null)[]> {
  const found: (string | null)[] = [];
  for await (const some of readSentences(await corpusFiles(place), options)) found.push(...some);
  return found;
}

async function blocks(corpus: TextCorpus): Promise<number[][]> {
  return Promise.all(Array.from({ length: corpus.size }, async (_, index) => [...(await corpus.read(index))]));
}

const open = (place: string, options: Partial<CorpusOptions> = {}) => openCorpus(place, { tokenizer, ...options });
const parquet = (text: string[]) =>
  new Uint8Array(parquetWriteBuffer({ columnData: [{ name: "text", data: text, type: "STRING" }], rowGroupSize: 2 }));

describe("packing", () => {
  const pack = (mode: PackMode, lengths: number[], most = 10) => {
    const packer = new Packer(mode, most);
    for (const length of lengths) packer.add(length);
    const { starts, lengths: sizes, tooLong, tooShort } = packer.finish();
    return { blocks: [...starts].map((start, i) => [start, sizes[i]]), tooLong, tooShort };
  };

  // Sentences of 4, 5, 3 | 6, 12, 2 | 9 tokens; | is the lone </s> between documents.
  const STREAM = [4, 5, 3, 1, 6, 12, 2, 1, 9];

  it.each<[PackMode, number[][], number, number]>([
    [
      "complete_doc",
      [
        [0, 9],
        [9, 3],
        [13, 6],
        [31, 2],
        [34, 9],
      ],
      1,
      0,
    ],
    [
      "complete",
      [
        [0, 9],
        [9, 10],
        [31, 3],
        [34, 9],
      ],
      1,
      0,
    ],
    [
      "none",
      [
        [0, 10],
        [10, 10],
        [20, 10],
        [30, 10],
        [40, 3],
      ],
      0,
      0,
    ],
    [
      "eos",
      [
        [0, 4],
        [4, 5],
        [9, 3],
        [13, 6],
        [31, 2],
        [34, 9],
      ],
      1,
      0,
    ],
  ])("%s, by hand", (mode, expected, tooLong, tooShort) => {
    expect(pack(mode, STREAM)).toEqual({ blocks: expected, tooLong, tooShort });
  });

  it("drops blocks of one token and keeps two", () => {
    expect(pack("none", [4, 4, 3], 10)).toEqual({ blocks: [[0, 10]], tooLong: 0, tooShort: 1 });
    expect(pack("none", [4, 4, 4], 10).blocks).toEqual([
      [0, 10],
      [10, 2],
    ]);
    expect(pack("complete", [10, 1, 10], 10)).toEqual({
      blocks: [
        [0, 10],
        [11, 10],
      ],
      tooLong: 0,
      tooShort: 1,
    });
    expect(pack("complete_doc", [1, 1, 2, 1, 1]).blocks).toEqual([[2, 2]]);
  });

  it("keeps sentences whole and in order, in as few blocks as greed makes", () => {
    const lengths = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 14 })), { maxLength: 60 });
    fc.assert(
      fc.property(lengths, fc.constantFrom<PackMode>("complete_doc", "complete", "none", "eos"), (stream, mode) => {
        const { blocks: packed, tooLong, tooShort } = pack(mode, stream);
        const bounds = new Set([0]);
        const separators = new Set<number>();
        let total = 0;
        for (const length of stream) {
          if (length === 1) separators.add(total);
          bounds.add((total += length));
        }
        let end = 0;
        for (const [start, length] of packed as [number, number][]) {
          expect(start).toBeGreaterThanOrEqual(end);
          expect(length).toBeGreaterThan(1);
          expect(length).toBeLessThanOrEqual(10);
          end = start + length;
          if (mode === "none") expect(start % 10).toBe(0);
          else expect([bounds.has(start), bounds.has(end)]).toEqual([true, true]);
          const inside = [...separators].filter((at) => at >= start && at < end);
          if (mode === "complete_doc" || mode === "eos") expect(inside).toEqual([]);
          if (mode !== "complete_doc" && mode !== "complete") continue;
          const next = [...bounds].find((bound) => bound > end);
          const more = next !== undefined && next - start <= 10 && !(mode === "complete_doc" && separators.has(end));
          expect(more, `block at ${start} could hold more`).toBe(false);
        }
        const long = stream.filter((length) => length > 10);
        expect(tooLong).toBe(mode === "none" ? 0 : long.length);
        const kept = packed.reduce((sum, [, length]) => sum + length!, 0);
        const dropped = (mode === "none" ? 0 : long.reduce((sum, length) => sum + length, 0)) + tooShort;
        expect(kept + dropped).toBe(mode === "complete_doc" || mode === "eos" ? total - separators.size : total);
      }),
      { numRuns: 500 },
    );
  });
});

describe("text files", () => {
  it("give lines with their numbers, whatever their ends, chunks and compression", async () => {
    const lines = ["\ufefffirst", "", "zwei\r", "drei 日本", "x".repeat(700_000), "last"];
    const expected = ["first", "", "zwei", "drei 日本", "x".repeat(700_000), "last"];
    for (const [name, content] of [
      ["a.txt", lines.join("\n")],
      ["b.txt", `${lines.join("\n")}\n`],
      ["c.txt.gz", gzipSync(lines.join("\n"))],
      ["d.txt.gz", Buffer.concat([gzipSync(lines.slice(0, 3).join("\n")), gzipSync(`\n${lines.slice(3).join("\n")}`)])],
    ] as const) {
      const found = [];
      for await (const some of readLines(await write(name, content))) found.push(...some);
      expect(found).toEqual(expected.map((text, index) => ({ text, number: index + 1 })));
    }
  });

  it("are told by file and line where they aren't UTF-8, or left out and counted", async () => {
    const file = await write("latin.txt", Buffer.from("gut\nsch\xf6n\ngut\nna\xefve\n", "latin1"));
    await expect(all(file)).rejects.toThrow(`${file}:2: not UTF-8\nconvert the file`);
    const places: string[] = [];
    expect(await all(file, { onInvalid: (place) => places.push(place) })).toEqual(["gut", "gut", null]);
    expect(places).toEqual([`${file}:2`, `${file}:4`]);
    const skipping = await open(file, { onInvalid: () => {}, cache: join(root, "latin") });
    expect(skipping.sentences).toBe(2);
    await skipping.close();
    await expect(open(file, { cache: join(root, "latin") })).rejects.toThrow("not UTF-8");
  });

  it("are told where they are cut off or too long a line", async () => {
    const whole = gzipSync(sentences(2000).join("\n"));
    const cut = await write("cut.txt.gz", whole.subarray(0, whole.length / 2));
    await expect(all(cut)).rejects.toThrow(`${cut}: unexpected end of file`);
    const endless = await write("endless.txt", Buffer.alloc(70 * 2 ** 20, "a"));
    await expect(all(endless)).rejects.toThrow("endless.txt:1: a line of more than 64 MiB; is this a text file?");
  });

  it("are found in folders, sorted, hidden ones and others left out", async () => {
    for (const name of ["tree/b.txt", "tree/a/z.jsonl", "tree/a/c.txt.gz", "tree/.hidden/x.txt", "tree/read.me", "tree/Z.parquet"]) {
      await write(name, "x");
    }
    expect((await findFiles(join(root, "tree"), /\.(txt|jsonl)(\.gz)?$|\.parquet$/)).map(({ name }) => name)).toEqual([
      "Z.parquet",
      "a/c.txt.gz",
      "a/z.jsonl",
      "b.txt",
    ]);
    await write("parts/train.txt", "learn");
    await write("parts/valid.txt", "judge");
    await write("parts/extra.txt", "other");
    expect((await corpusFiles(join(root, "parts"))).map(({ name }) => name)).toEqual(["train.txt"]);
    expect((await corpusFiles(join(root, "parts"), { split: "test" })).map(({ name }) => name)).toEqual(["valid.txt"]);
    await expect(corpusFiles(join(root, "tree"), { split: "test" })).rejects.toThrow("has no test part");
    await expect(corpusFiles(join(root, "nowhere"))).rejects.toThrow("nowhere: no such file or folder");
  });
});

describe("documents", () => {
  it("are the same sentences from text, JSON lines and Parquet", async () => {
    const documents = [["eins  zwei", "drei."], ["vier"], ["fünf", "sechs", "sieben"]];
    const expected = documents.flatMap((document) => [...document, null]);
    const records = documents.map((document) => document.join("\n\n"));
    expect(await all(await write("x.txt", documents.map((document) => ` ${document.join(" \n")}`).join("\n \n")))).toEqual(expected);
    const jsonl = records.map((text, id) => JSON.stringify({ id, text })).join("\n\n");
    expect(await all(await write("x.jsonl.gz", gzipSync(jsonl)))).toEqual(expected);
    expect(await all(await write("x.parquet", parquet(records)))).toEqual(expected);
    expect(await all(await write("x.raw", "a plain file of any name\n"))).toEqual(["a plain file of any name", null]);
  });

  it.each([
    ["bad.jsonl", '{"text":"a"}\n{"text":"b"\n', /bad\.jsonl:2: not JSON/],
    ["list.jsonl", "[1]\n", /list\.jsonl:1: expected an object, got \[1\]/],
    ["none.jsonl", '{"body":"b","id":1}\n', /none\.jsonl:1: expected a text in the field "text", got the fields body, id/],
    ["number.jsonl", '{"text":5}\n', /number\.jsonl:1: expected a text in the field "text", got 5/],
    ["no.parquet", "PAR1 but not really PAR1", /no\.parquet: can't be read as Parquet/],
  ])("of %s are refused with file and line", async (name, content, message) => {
    await expect(all(await write(name, content))).rejects.toThrow(message);
  });

  it("of Parquet need the column", async () => {
    const file = await write("other.parquet", parquet(["a"]));
    await expect(all(file, { field: "body" })).rejects.toThrow('other.parquet: has no column "body"; its columns are text');
  });
});

describe("a corpus", () => {
  it("has blocks of <s> and whole sentences with </s>, as the tokenizer encodes them", async () => {
    const lines = sentences(60);
    const text = await write("whole.txt", `${lines.slice(0, 25).join("\n")}\n\n\n${lines.slice(25).join("\n")}\n\n`);
    const corpus = await open(text, { tokensPerSample: 128 });
    const read = await blocks(corpus);
    for (const [index, block] of read.entries()) {
      expect(block.length).toBe(corpus.length(index));
      expect(block.length).toBeLessThanOrEqual(128);
      expect([block[0], block.at(-1)]).toEqual([0, 2]);
    }
    const stream = read.flatMap((block) => block.slice(1));
    expect(stream).toEqual(lines.flatMap((line) => [...tokenizer.encode(line), 2]));
    expect(corpus).toMatchObject({ sentences: 60, tokens: stream.length + 1, tooLong: 0, tooShort: 0 });
    expect(corpus.description).toContain(`whole.txt (${corpus.size} blocks, ${corpus.tokens} tokens)`);
    expect(corpus.name(0)).toMatch(/^block 0 \(tokens 0 to \d+\)$/);

    const slices = await blocks(await open(text, { tokensPerSample: 64, pack: "none" }));
    expect(slices.slice(0, -1).every((block) => block.length === 64)).toBe(true);
    const joined = slices.flatMap((block) => block.slice(1));
    expect(joined.filter((id, at) => id === 2 && joined[at - 1] === 2).length).toBe(1);
  });

  it("is the same from memory and from the cache, which is made once", async () => {
    const text = await write("cached.txt", sentences(80, 4).join("\n"));
    const cache = join(root, "cache");
    const expected = await blocks(await open(text));
    const calls: number[] = [];
    const first = await open(text, { cache, onProgress: ({ tokens }) => calls.push(tokens) });
    expect(await blocks(first)).toEqual(expected);
    expect(calls.at(-1)).toBe(first.tokens);
    await first.close();
    const [file] = await readdir(cache);
    expect(file).toMatch(/^tokens-[0-9a-f]{16}\.bin$/);
    expect((await stat(join(cache, file!))).size).toBe(64 + 2 * first.tokens);

    const again = await open(text, { cache, tokensPerSample: 200, onProgress: () => expect.unreachable() });
    expect((await blocks(again)).flatMap((block) => block.slice(1))).toEqual(expected.flatMap((block) => block.slice(1)));
    expect(again.fingerprint).toBe(first.fingerprint);
    await again.close();

    // A file cut off isn't used, and one of another state of the text isn't either.
    await truncate(join(cache, file!), 100);
    const repaired = await open(text, { cache });
    expect(await blocks(repaired)).toEqual(expected);
    await repaired.close();
    await utimes(text, 1, 1);
    const touched = await open(text, { cache });
    expect(touched.fingerprint).not.toBe(first.fingerprint);
    await touched.close();
    expect((await readdir(cache)).length).toBe(2);
  });

  it("keeps ids of large vocabularies in 32 bits", async () => {
    const text = await write("wide.txt", "a b c\n");
    const { definition } = tokenizer;
    const { Tokenizer } = await import("../../../src/data/text/tokenizer.js");
    const wide = new Tokenizer({ ...definition, vocabulary: new Map(definition.vocabulary).set("a", 70_000) });
    const cache = join(root, "wide");
    const corpus = await openCorpus(text, { tokenizer: wide, cache });
    expect((await blocks(corpus))[0]!.slice(0, 2)).toEqual([0, 70_000]);
    await corpus.close();
    expect((await blocks(await openCorpus(text, { tokenizer: wide })))[0]!.slice(0, 2)).toEqual([0, 70_000]);
  });

  it("leaves no half-written cache behind when the text can't be read", async () => {
    const text = await write("half.jsonl", `${JSON.stringify({ text: "fine" })}\nbroken\n`);
    const cache = join(root, "half");
    await expect(open(text, { cache })).rejects.toThrow("half.jsonl:2: not JSON");
    expect(await readdir(cache)).toEqual([]);
    const blocked = await write("blocked", "");
    await expect(open(await write("fine.txt", "fine\n"), { cache: blocked })).rejects.toThrow(/blocked/);
  });

  it("counts what is too long, and says so where nothing remains", async () => {
    const long = sentences(30, 9).join(" ");
    const text = await write("long.txt", `kurz\n${long}\nkurz\n`);
    expect(await open(text, { tokensPerSample: 50 })).toMatchObject({ tooLong: 1, size: 2 });
    await expect(open(await write("only.txt", long), { tokensPerSample: 50 })).rejects.toThrow(
      /no block of text to learn from in 1 files; 1 sentences are longer than a block of 50 tokens\nput a sentence on a line/,
    );
    await expect(open(await write("blank.txt", "\n\n"))).rejects.toThrow("no block of text to learn from in 1 files");
  });

  it("refuses senseless options", async () => {
    const text = await write("ok.txt", "ok\n");
    await expect(open(text, { tokensPerSample: 2 })).rejects.toThrow("tokensPerSample: expected a whole number from 3, got 2");
    await expect(open(text, { pack: "all" as PackMode })).rejects.toThrow("pack: expected one of complete_doc");
  });
});
