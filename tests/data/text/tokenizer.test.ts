/** The tokenizer against Hugging Face's, on text of every kind, trained and read from every layout. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tokenizer as Peer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { words } from "../../../src/data/text/byte-level.js";
import type { Tokenizer } from "../../../src/data/text/tokenizer.js";
import { openTokenizer, tokenizerFiles } from "../../../src/data/text/tokenizer-files.js";
import { trainTokenizer } from "../../../src/data/text/train-tokenizer.js";
import { sentences } from "./corpus-text.js";

const VOCAB = 700;
const LINES = [...sentences(400), "tags such as <s> and <s> and <mask>", "aaaa aaaaaaa bababab aaaa"];

let root: string;
let tokenizer: Tokenizer;
let peer: Peer;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tokenizer-"));
  tokenizer = await trainTokenizer(LINES, { vocab: VOCAB });
  const files = tokenizerFiles(tokenizer);
  peer = new Peer(JSON.parse(files["tokenizer.json"]!), JSON.parse(files["tokenizer_config.json"]!));
});
afterAll(() => rm(root, { recursive: true }));

/** Writes files into a folder of their own. */
async function folder(name: string, files: Record<string, string>): Promise<string> {
  await mkdir(join(root, name), { recursive: true });
  for (const [file, content] of Object.entries(files)) await writeFile(join(root, name, file), content);
  return join(root, name);
}

const peerIds = (text: string) => peer.encode(text, { add_special_tokens: false }).ids;

/** Text of what the pattern tells apart; without the two characters that JavaScript's \s takes for what Unicode doesn't. */
const tricky = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        " ",
        "  ",
        "\n",
        "\t",
        "\u00a0",
        "\u3000",
        "'s",
        "'S",
        "'ll",
        "'",
        "I'd've",
        "ka",
        "tomi",
        "thing",
        "日本",
        "٣",
        "½",
        "Ⅳ",
      ),
      fc.constantFrom("👩‍👩‍👧", "🇩🇪", "e\u0301", "\u200b", "0", "1234", "--", "…", "a", "Z", "\0", "\u1680"),
      fc.string({ unit: "binary", maxLength: 4 }),
      fc.constantFrom(...sentences(20, 2)),
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.join("").replace(/[\u0085\ufeff\p{Cs}]/gu, ""));

describe("encoding", () => {
  it("gives the ids of Hugging Face's tokenizer for any text", () => {
    fc.assert(
      fc.property(tricky, (text) => {
        expect(tokenizer.encode(text)).toEqual(peerIds(text));
      }),
      { numRuns: 2000 },
    );
    for (const line of LINES.slice(0, 400)) expect(tokenizer.encode(line)).toEqual(peerIds(line));
  });

  it("takes Unicode's whitespace for whitespace, unlike JavaScript's \\s", () => {
    // As the Rust and Python implementations cut them.
    expect(words("!\u0085!")).toEqual(["!", "\u0085", "!"]);
    expect(words("!\ufeff!")).toEqual(["!\ufeff!"]);
    expect(words("!\u180e! \u001c!")).toEqual(["!\u180e!", " \u001c!"]);
  });

  it("gives back every text from its ids", () => {
    fc.assert(
      fc.property(tricky, (text) => {
        expect(words(text).join("")).toBe(text);
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
    );
    expect(tokenizer.decode(tokenizer.encode("\ufeffa\u0085"))).toBe("\ufeffa\u0085");
  });

  it("takes special tokens for text unless asked to, and then as Hugging Face does", () => {
    const text = "ka <mask> to  <mask>!<s></s><pad><unk> <mask";
    const plain = tokenizer.encode(text);
    expect(plain.some((id) => id < 4 || id === VOCAB - 1)).toBe(false);
    expect(tokenizer.decode(plain)).toBe(text);
    const special = tokenizer.encode(text, { special: true });
    expect(special).toEqual(peerIds(text));
    expect(special.filter((id) => id < 4 || id === VOCAB - 1)).toEqual([VOCAB - 1, VOCAB - 1, 0, 2, 1, 3]);
    expect(tokenizer.decode(special)).toBe("ka to! <mask");
    expect(tokenizer.decode(special, { special: true })).toBe("ka<mask> to<mask>!<s></s><pad><unk> <mask");
  });

  it("encodes half a surrogate pair as U+FFFD", () => {
    expect(tokenizer.encode("a\ud800 b")).toEqual(tokenizer.encode("a\ufffd b"));
  });

  it("stays quick for a word of any length, and right", () => {
    const long = "kato".repeat(50_000);
    const ids = tokenizer.encode(long);
    expect(tokenizer.decode(ids)).toBe(long);
    expect(ids.slice(0, 20)).toEqual(peerIds(long.slice(0, 400)).slice(0, 20));
  });

  it("remembers no more words than fit, and gives the same ids ever after", () => {
    for (let i = 0; i < 140_000; i++) tokenizer.encode(`x${i.toString(36)}`);
    expect(tokenizer.encode(LINES[3]!)).toEqual(peerIds(LINES[3]!));
  });

  it("refuses ids that are none", () => {
    expect(() => tokenizer.decode([5, VOCAB])).toThrow(`tokenizer: token: expected an id from 0 to ${VOCAB - 1}, got ${VOCAB}`);
  });
});

describe("training", () => {
  it("gives <s> <pad> </s> <unk> the ids from 0 and <mask> the last", () => {
    expect(tokenizer.size).toBe(VOCAB);
    expect(tokenizer.special).toEqual({ bos: 0, pad: 1, eos: 2, unk: 3, mask: VOCAB - 1 });
    expect([0, 1, 2, 3, VOCAB - 1].map((id) => tokenizer.piece(id))).toEqual(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]);
  });

  it("merges the most frequent pair first, counted by hand", async () => {
    // ab 5, bc 4, Ġa 3: after "ab" the pairs are (ab c) 4, (Ġ ab) 3, (Ġ abc) ...
    const small = await trainTokenizer(["abc abc abc", "abc ab"], { vocab: 264 });
    expect(small.definition.merges).toEqual([
      ["a", "b"],
      ["ab", "c"],
      ["Ġ", "abc"],
    ]);
  });

  it("decides ties by the age of the pieces", async () => {
    const merges = async (line: string) => (await trainTokenizer([line], { vocab: 262 })).definition.merges;
    expect(await merges("zy ba zy ba dc dc")).toEqual([["b", "a"]]);
    expect(await merges("dc dc zy ba zy ba")).toEqual([["b", "a"]]);
  });

  it("gives what a recount of all pairs at every step gives", async () => {
    const lines = [...sentences(40, 5), "aaaa aaaaaaa bababab aaaa"];
    const { definition } = await trainTokenizer(lines, { vocab: 400 });
    expect(definition.merges).toEqual(recounted(lines, definition.merges.length));
  });

  it("never makes a piece of a special token's text", () => {
    const merged = new Set(tokenizer.definition.merges.map((merge) => merge.join("")));
    for (const token of ["<s>", "</s>", "<mask>", "<pad>", "<unk>"]) expect(merged.has(token)).toBe(false);
    expect(merged.size).toBe(VOCAB - 261);
  });

  it("ends early where a text has no more pairs, and reads any stream of lines", async () => {
    async function* stream() {
      yield "ab ab";
      yield "";
    }
    const reports: number[] = [];
    const small = await trainTokenizer(stream(), { vocab: 5000, onProgress: ({ tokens }) => reports.push(tokens) });
    expect(small.size).toBe(262);
    expect(small.definition.merges).toEqual([["a", "b"]]);
    expect((await trainTokenizer(stream(), { vocab: 5000, minFrequency: 1 })).definition.merges.length).toBe(2);
  });

  it("refuses no text and a vocabulary too small", async () => {
    await expect(trainTokenizer(["", ""], { vocab: 300 })).rejects.toThrow("there is no text to learn from");
    await expect(trainTokenizer(["a"], { vocab: 260 })).rejects.toThrow("vocab: expected a whole number from 261 to");
    await expect(trainTokenizer(["a"], { vocab: 300, minFrequency: 0 })).rejects.toThrow("minFrequency");
  });
});

/** The slow definition of training: all pairs counted anew for every merge. */
function recounted(lines: readonly string[], steps: number): string[][] {
  const utf8 = new TextEncoder();
  const byteOf = (byte: number) => tokenizer.piece(4 + order.indexOf(byte));
  const age = new Map(Array.from({ length: 256 }, (_, i) => [tokenizer.piece(4 + i), i]));
  const order = byteOrder();
  const corpus = lines.flatMap((line) => words(line).map((word) => [...utf8.encode(word)].map(byteOf)));
  const merges: string[][] = [];
  while (merges.length < steps) {
    const counts = new Map<string, { pair: [string, string]; count: number }>();
    for (const pieces of corpus) {
      for (let i = 0; i + 1 < pieces.length; i++) {
        const key = `${pieces[i]} ${pieces[i + 1]}`;
        const known = counts.get(key) ?? { pair: [pieces[i]!, pieces[i + 1]!], count: 0 };
        counts.set(key, { ...known, count: known.count + 1 });
      }
    }
    const older = (a: [string, string], b: [string, string]) => age.get(a[0])! - age.get(b[0])! || age.get(a[1])! - age.get(b[1])!;
    const [best] = [...counts.values()].sort((a, b) => b.count - a.count || older(a.pair, b.pair));
    const [left, right] = best!.pair;
    age.set(left + right, age.size);
    merges.push([left, right]);
    for (const pieces of corpus) {
      for (let i = 0; i + 1 < pieces.length; i++) if (pieces[i] === left && pieces[i + 1] === right) pieces.splice(i, 2, left + right);
    }
  }
  return merges;
}

/** Bytes in the order of the characters that stand for them. */
function byteOrder(): number[] {
  const visible = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const all = Array.from({ length: 256 }, (_, byte) => byte);
  return [...all.filter(visible), ...all.filter((byte) => !visible(byte))];
}

describe("files", () => {
  it("are read back from tokenizer.json, its folder, and vocab.json with merges.txt", async () => {
    const files = tokenizerFiles(tokenizer);
    const whole = await folder("whole", files);
    const { "vocab.json": vocab, "merges.txt": merges } = files;
    const parts = await folder("parts", { "vocab.json": vocab!, "merges.txt": merges! });
    for (const place of [whole, join(whole, "tokenizer.json"), parts]) {
      const opened = await openTokenizer(place);
      expect(opened.fingerprint).toBe(tokenizer.fingerprint);
      expect(opened.encode(LINES[7]!)).toEqual(tokenizer.encode(LINES[7]!));
    }
    expect(JSON.parse(files["tokenizer_config.json"]!).tokenizer_class).toBe("RobertaTokenizer");
  });

  it("frame a sentence and a pair in Hugging Face's as the model takes them", () => {
    const [a, b] = [tokenizer.encode("ka to"), tokenizer.encode("mi")];
    expect(peer.encode("ka to").ids).toEqual([0, ...a, 2]);
    expect(peer.encode("ka to", { text_pair: "mi" }).ids).toEqual([0, ...a, 2, 2, ...b, 2]);
  });

  it("of fairseq renumber GPT-2's tokens by dict.txt", async () => {
    const { vocabulary, merges } = tokenizer.definition;
    // A vocabulary as GPT-2 numbers it: bytes and merges, then <|endoftext|>.
    const pieces = [...vocabulary.keys()].filter((piece) => !/^<.*>$/.test(piece) || piece === "<|endoftext|>");
    const encoder = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
    const absent = pieces.indexOf(merges.at(-1)!.join(""));
    const dict = [...pieces.keys()].reverse().filter((id) => id !== absent);
    const place = await folder("fairseq", {
      "encoder.json": JSON.stringify(encoder),
      "vocab.bpe": tokenizerFiles(tokenizer)["merges.txt"]!,
      "dict.txt": [...dict.map((id) => `${id} ${1000 + id}`), "madeupword0000 0", ""].join("\n"),
    });
    const fairseq = await openTokenizer(place);
    expect(fairseq.special).toEqual({ bos: 0, pad: 1, eos: 2, unk: 3, mask: dict.length + 5 });
    for (const line of LINES.slice(0, 50)) {
      const expected = tokenizer.encode(line).map((id) => {
        const piece = encoder[tokenizer.piece(id)]!;
        return piece === absent ? 3 : 4 + dict.indexOf(piece);
      });
      expect(fairseq.encode(line)).toEqual(expected);
    }
    expect(() => tokenizerFiles(fairseq)).toThrow("keep fairseq's own files");
    expect(fairseq.encode(tokenizer.decode([VOCAB - 2]))).toEqual([3]);

    await folder("fairseq", { "dict.txt": "17 3\nnothing\n" });
    await expect(openTokenizer(place)).rejects.toThrow(/dict\.txt:2: expected the id of a GPT-2 token and a count, got "nothing"/);
    await folder("fairseq", { "dict.txt": "17 3\n17 2\n" });
    await expect(openTokenizer(place)).rejects.toThrow(/dict\.txt:2: .* stands there twice/);
  });

  it("find added tokens in any text, and add a space before it where told to", async () => {
    const json = JSON.parse(tokenizerFiles(tokenizer)["tokenizer.json"]!);
    json.added_tokens.push({
      id: VOCAB,
      content: "[URL]",
      single_word: false,
      lstrip: false,
      rstrip: true,
      normalized: false,
      special: false,
    });
    json.pre_tokenizer.add_prefix_space = true;
    const added = await openTokenizer(await folder("added", { "tokenizer.json": JSON.stringify(json) }));
    expect(added.size).toBe(VOCAB + 1);
    const text = "ka [URL] mi";
    expect(added.encode(text)).toEqual([...tokenizer.encode(" ka "), VOCAB, ...tokenizer.encode(" mi")]);
    expect(added.decode(added.encode(text))).toBe(" ka [URL] mi");
    // As Hugging Face's: only a space stands for the space, and every part between added tokens gets one.
    expect(added.encode("\nka")).toEqual(tokenizer.encode(" \nka"));
    expect(added.encode("[URL]  to")).toEqual([VOCAB, ...tokenizer.encode(" to")]);
    expect(added.fingerprint).not.toBe(tokenizer.fingerprint);
  });

  it("read merges given as pairs and a model without a type", async () => {
    const json = JSON.parse(tokenizerFiles(tokenizer)["tokenizer.json"]!);
    json.model.merges = json.model.merges.map((merge: string) => merge.split(" "));
    delete json.model.type;
    const opened = await openTokenizer(await folder("pairs", { "tokenizer.json": JSON.stringify(json) }));
    expect(opened.fingerprint).toBe(tokenizer.fingerprint);
  });

  // biome-ignore lint/suspicious/noExplicitAny: the files are bent in every way
  it.each<[string, (json: any) => void, string]>([
    ["another model", (json) => (json.model.type = "WordPiece"), 'model.type: expected "BPE", got "WordPiece"'],
    ["a normalizer", (json) => (json.normalizer = { type: "NFC" }), "normalizer: expected none (null)"],
    ["another way of splitting", (json) => (json.pre_tokenizer = { type: "Whitespace" }), "pre_tokenizer: expected"],
    ["suffixes", (json) => (json.model.end_of_word_suffix = "</w>"), 'model.end_of_word_suffix: expected ""'],
    ["a merge of unknown pieces", (json) => json.model.merges.push("Ġ nothingness"), 'the vocabulary lacks "nothingness"'],
    ["a merge of three", (json) => json.model.merges.push("a b c"), "expected two pieces"],
    ["an id twice", (json) => (json.model.vocab.a = 5), "id 5 stands for"],
    ["an id that is none", (json) => (json.model.vocab.a = "5"), '"a": expected an id'],
    ["no vocabulary", (json) => delete json.model.vocab, "model.vocab: expected an object"],
    ["no model", (json) => delete json.model, "model: expected an object"],
    ["whole words only", (json) => (json.added_tokens[0].single_word = true), "added_tokens 0: single_word isn't supported"],
    ["an added token of another id", (json) => (json.added_tokens[4].id = 9), 'added token "<mask>": expected the id'],
  ])("are refused with %s", async (name, bend, message) => {
    const json = JSON.parse(tokenizerFiles(tokenizer)["tokenizer.json"]!);
    bend(json);
    const place = await folder(`bad ${name}`, { "tokenizer.json": JSON.stringify(json) });
    await expect(openTokenizer(place)).rejects.toThrow(message);
    await expect(openTokenizer(place)).rejects.toThrow(/tokenizer\.json/);
  });

  it("are told where they are missing, cut off or of another tokenizer", async () => {
    await expect(openTokenizer(join(root, "nowhere"))).rejects.toThrow(/nowhere: no such file or folder\naccepted: tokenizer.json/);
    await expect(openTokenizer(await folder("empty", {}))).rejects.toThrow("has no tokenizer");
    const cut = await folder("cut", { "tokenizer.json": tokenizerFiles(tokenizer)["tokenizer.json"]!.slice(0, 500) });
    await expect(openTokenizer(cut)).rejects.toThrow(/tokenizer.json: not JSON/);
    const lone = await folder("lone", { "vocab.json": tokenizerFiles(tokenizer)["vocab.json"]! });
    await expect(openTokenizer(lone)).rejects.toThrow(/merges.txt: no such file/);
    const gpt = await folder("gpt", { "vocab.json": '{"a":0,"<|endoftext|>":1}', "merges.txt": "#version: 0.2\n" });
    await expect(openTokenizer(gpt)).rejects.toThrow(/vocab.json: has no token <s>/);
  });

  it("are written the same for the same text", async () => {
    const again = await trainTokenizer(LINES, { vocab: VOCAB });
    expect(tokenizerFiles(again)).toEqual(tokenizerFiles(tokenizer));
    const files = await folder("again", tokenizerFiles(again));
    expect(await readFile(join(files, "merges.txt"), "utf8")).toMatch(/^#version: 0\.2\n\S+ \S+\n/);
  });
});
