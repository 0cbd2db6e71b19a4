/** Layouts of audio data: folders, LibriSpeech, manifests and tables; durations, limits, labels, transcripts, and clear errors. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type AudioDataset,
  audioInMemory,
  balancedSubset,
  holdOut,
  requireClasses,
  requireTranscripts,
  subset,
} from "../../../src/data/audio/dataset.js";
import { audioSplits, openAudio } from "../../../src/data/audio/open.js";
import { wavOf } from "./wav-file.js";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "open-"));
});
afterAll(() => rm(root, { recursive: true }));

/** A folder with these files: a number is a WAV of so many samples at 16 kHz, text and bytes stand for themselves. */
async function folderOf(files: Record<string, number | string | Uint8Array>): Promise<string> {
  const folder = await mkdtemp(join(root, "set-"));
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, typeof content === "number" ? wavOf(new Float32Array(content).fill(0.1)) : content);
  }
  return folder;
}

const each = <T>(set: AudioDataset, of: (index: number) => T) => Array.from({ length: set.size }, (_, index) => of(index));
const names = (set: AudioDataset) => each(set, (index) => set.name(index));
const labels = (set: AudioDataset) => each(set, (index) => set.label(index));
const durations = (set: AudioDataset) => each(set, (index) => set.duration(index));
const transcripts = (set: AudioDataset) => each(set, (index) => set.transcript(index));

describe("folders", () => {
  it("give classes by folder, and durations of every format from the headers at the rate of the set", async () => {
    const fixture = (name: string) => readFile(join("tests/data/audio/fixtures", name));
    const folder = await folderOf({
      "b/1.wav": 16000,
      "b/2.flac": await fixture("44k.flac"),
      "a/deep/3.OGG": await fixture("44k.ogg"),
      "a/4.mp3": await fixture("44k.mp3"),
      "a/notes.txt": "x",
      "a/.hidden.wav": 10,
    });
    const set = await openAudio(folder);
    expect(names(set)).toEqual(["a/4.mp3", "a/deep/3.OGG", "b/1.wav", "b/2.flac"]);
    expect(set.classes).toEqual(["a", "b"]);
    expect(labels(set)).toEqual([0, 0, 1, 1]);
    expect(durations(set)).toEqual([4800, 4800, 16000, 1089]);
    expect(set).toMatchObject({ sampleRate: 16000, transcribed: false, dropped: { short: 0, long: 0 } });
    expect(set.description).toMatch(/4 clips, 0\.0 minutes, 2 classes/);
    expect(durations(await openAudio(folder, { sampleRate: 8000 }))).toEqual([2400, 2400, 8000, 545]);
    expect((await set.read(3)).samples.length).toBe(3000);
    expect(await audioSplits(folder)).toEqual([]);
    expect(labels(await openAudio(folder, { classes: ["b", "c", "a"] }))).toEqual([2, 2, 0, 0]);
    await expect(openAudio(folder, { classes: ["a", "c"] })).rejects.toThrow(/b\/1\.wav: b: no such class; the classes are a, c/);
  });

  it("without classes are unlabelled; with splits they are opened by part", async () => {
    const loose = await openAudio(await folderOf({ "x.wav": 500, "c/y.wav": 500 }), { split: "train" });
    expect(loose.classes).toBeNull();
    expect(labels(loose)).toEqual([-1, -1]);
    expect(() => requireClasses(loose)).toThrow(/has no labels\nput the clips of each class/);
    expect(() => requireTranscripts(loose)).toThrow(/c\/y\.wav has no transcript/);
    const divided = await folderOf({ "train/a/1.wav": 500, "train/b/2.wav": 500, "val/a/3.wav": 500 });
    expect(await audioSplits(divided)).toEqual(["train", "test"]);
    expect(names(await openAudio(divided, { split: "test" }))).toEqual(["a/3.wav"]);
    await expect(openAudio(divided)).rejects.toThrow(/has several parts, say which/);
    await expect(openAudio(await folderOf({ "x.wav": 500 }), { split: "test" })).rejects.toThrow(/has no test split\nhold out a part/);
  });

  it("drop clips outside of the limits, and count them", async () => {
    const folder = await folderOf({ "a.wav": 1600, "b.wav": 16000, "c.wav": 48000, "d.wav": "damaged" });
    const set = await openAudio(folder, { minSeconds: 0.5, maxSeconds: 2 });
    // What can't be read is left for the loader to skip by name.
    expect(names(set)).toEqual(["b.wav", "d.wav"]);
    expect(durations(set)).toEqual([16000, 0]);
    expect(set.dropped).toEqual({ short: 1, long: 1 });
    const whole = await folderOf({ "a.wav": 1600, "b.wav": 1700 });
    await expect(openAudio(whole, { minSeconds: 1 })).rejects.toThrow(/no clip lasts from 1 to Infinity s: 2 are shorter, 0 longer/);
    await expect(openAudio(whole, { minSeconds: 3, maxSeconds: 2 })).rejects.toThrow(/0 <= minSeconds <= maxSeconds, got 3 and 2/);
    await expect(openAudio(whole, { sampleRate: 10 })).rejects.toThrow(/sampleRate: expected a whole number/);
  });

  it("that are missing, empty or of something else are errors that say what is accepted", async () => {
    await expect(openAudio(join(root, "none"))).rejects.toThrow(/none: no such file or folder\naccepted layouts: FOLDER\/CLASS\/CLIP/);
    await expect(openAudio(await folderOf({}))).rejects.toThrow(
      /no \.wav, \.flac, \.ogg or \.mp3 file found; it is empty\naccepted layouts/,
    );
    await expect(openAudio(await folderOf({ "a/x.jpg": "x" }))).rejects.toThrow(/it has 1 other files, such as a\/x\.jpg/);
    await expect(openAudio(join(await folderOf({ "x.wav": 500 }), "x.wav"))).rejects.toThrow(/is neither a folder nor a list of clips/);
  });
});

describe("the sample set", () => {
  it("has every class in both parts, and clips that decode to what their headers say", async () => {
    const folder = "examples/data/gcin-voice";
    const [train, test] = [await openAudio(folder, { split: "train" }), await openAudio(folder, { split: "test" })];
    expect([train.size, test.size]).toEqual([706, 217]);
    expect(train.classes!.length).toBe(34);
    expect(test.classes).toEqual(train.classes);
    for (let index = 0; index < test.size; index += 20) {
      const { samples, sampleRate } = await test.read(index);
      expect(Math.ceil((samples.length * 16000) / sampleRate)).toBe(test.duration(index));
      expect(Math.max(...samples.map(Math.abs))).toBeGreaterThan(0.05);
    }
  });
});

describe("LibriSpeech", () => {
  it("has a transcript for each clip by the name of its file", async () => {
    const folder = await folderOf({
      "84/121/84-121-0000.wav": 16000,
      "84/121/84-121-0001.wav": 16000,
      "84/121/84-121.trans.txt": "84-121-0000 GO DO YOU HEAR\n84-121-0001 BUT\r\n",
      "84/122/84-122-0000.wav": 800,
      "84/122/84-122.trans.txt": "84-122-0000 A\n",
    });
    const set = await openAudio(folder);
    expect(transcripts(set)).toEqual(["GO DO YOU HEAR", "BUT", "A"]);
    expect(requireTranscripts(set)).toEqual(transcripts(set));
    expect(set).toMatchObject({ classes: null, transcribed: true });
    await writeFile(join(folder, "84/122/84-122-0009.wav"), wavOf(new Float32Array(900)));
    await expect(openAudio(folder)).rejects.toThrow(/84-122-0009\.wav: the \*\.trans\.txt files have no line for it/);
  });
});

describe("manifests", () => {
  it("take lengths as told, words or letters beside them, and keep these aligned when clips are dropped", async () => {
    const folder = await folderOf({ "clips/a.wav": 16000, "clips/b.wav": 8000, "clips/c.wav": 12000 });
    const list = join(folder, "train.tsv");
    await writeFile(list, `${join(folder, "clips")}\na.wav\t16000\nb.wav\t8000\nc.wav\t12000\n`);
    expect(durations(await openAudio(list))).toEqual([16000, 8000, 12000]);
    expect(durations(await openAudio(list, { sampleRate: 8000 }))).toEqual([8000, 4000, 6000]);
    await writeFile(join(folder, "train.ltr"), "A | C A T |\nB |\nI T ' S |\n");
    expect(transcripts(await openAudio(list))).toEqual(["A CAT", "B", "IT'S"]);
    await writeFile(join(folder, "train.wrd"), "A CAT\nBE\nIT'S\n");
    const set = await openAudio(list, { minSeconds: 0.6 });
    expect(transcripts(set)).toEqual(["A CAT", "IT'S"]);
    expect(names(set)).toEqual(["a.wav", "c.wav"]);
    expect(set.dropped.short).toBe(1);
    // A folder of manifests is divided by their names, and a relative root is meant from the manifest.
    await writeFile(join(folder, "valid.tsv"), "clips\nb.wav\t8000\n");
    expect(await audioSplits(folder)).toEqual(["train", "test"]);
    expect(names(await openAudio(folder, { split: "test" }))).toEqual(["b.wav"]);
    await writeFile(join(folder, "train.wrd"), "A\nB\n");
    await expect(openAudio(list)).rejects.toThrow(/train\.wrd: expected 3 lines, one a clip of the manifest, got 2\naccepted/);
  });

  it("that are malformed are named with the line", async () => {
    const folder = await folderOf({ "a.wav": 16000 });
    const list = join(folder, "x.tsv");
    const opened = async (content: string) => {
      await writeFile(list, content);
      return openAudio(list);
    };
    await expect(opened(".\na.wav\t16000\nb.wav\n")).rejects.toThrow(/x\.tsv:3: expected PATH<tab>SAMPLES, got "b\.wav"/);
    await expect(opened(".\na.wav\t-1\n")).rejects.toThrow(/x\.tsv:2: expected PATH<tab>SAMPLES/);
    await expect(opened(".\n")).rejects.toThrow(/has no clips/);
    await expect(opened("/no/such/root\na.wav\t16000\n")).rejects.toThrow(/x\.tsv:1: root folder \/no\/such\/root: no such folder/);
    await expect(opened(".\nb.wav\t16000\nc.wav\t16000\n")).rejects.toThrow(/none of its 2 files is there, such as .*b\.wav/);
  });
});

describe("tables", () => {
  const CSV = `\ufeffid,Path,"sentence",label\r\n1,clips/a.wav,"Hello, ""you""\nthere",x\r\n\r\n2,clips/b.wav,,y\r\n`;

  it("are read in CSV by RFC 4180, in TSV and in JSONL alike", async () => {
    const folder = await folderOf({ "clips/a.wav": 16000, "clips/b.wav": 8000, "t.csv": CSV });
    await writeFile(join(folder, "t.tsv"), `file\ttext\tclass\nclips/a.wav\t"Hello, ""you""\nthere"\tx\nclips/b.wav\t\ty`);
    const rows = [
      { audio: join(folder, "clips/a.wav"), transcript: 'Hello, "you"\nthere', class: "x" },
      { audio: "clips/b.wav", transcript: "", class: "y", extra: [1] },
    ];
    await writeFile(join(folder, "t.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n\n"));
    for (const name of ["t.csv", "t.tsv", "t.jsonl"]) {
      const set = await openAudio(join(folder, name));
      expect(transcripts(set)).toEqual(['Hello, "you"\nthere', ""]);
      expect(set.classes).toEqual(["x", "y"]);
      expect(labels(set)).toEqual([0, 1]);
      expect(durations(set)).toEqual([16000, 8000]);
      expect(set.transcribed).toBe(true);
    }
    const unlabelled = join(folder, "u.csv");
    await writeFile(unlabelled, "path\nclips/a.wav\n");
    expect(await openAudio(unlabelled)).toMatchObject({ classes: null, transcribed: false, size: 1 });
    await writeFile(join(folder, "u.tsv"), "path\nclips/a.wav\n");
    expect(names(await openAudio(join(folder, "u.tsv")))).toEqual(["clips/a.wav"]);
  });

  it.each([
    ["x.csv", "name,text\na.wav,b\n", /x\.csv: has no column of files; it has name, text, expected path/],
    ["x.csv", "path,text\na.wav\n", /x\.csv:2: expected 2 fields, got 1/],
    ["x.csv", 'path,text\n"a\nb.wav",x\na.wav,"b\n', /x\.csv:4: a quoted field isn't closed/],
    ["x.csv", 'path,text\na.wav,"b"c\n', /x\.csv:2: expected the end of a field after its closing quote, got "c"/],
    ["x.csv", "path,path\na.wav,b\n", /x\.csv:1: column path comes twice/],
    ["x.csv", "path,text\n,b\n", /x\.csv:2: path: expected a file, got nothing/],
    ["x.csv", "path,text\n", /x\.csv: has no rows/],
    ["x.csv", "path,label\na.wav,x\na.wav,\n", /a\.wav: has no label, others have/],
    ["x.csv", "path\nb.wav\nc.wav\n", /none of its 2 files is there/],
    ["x.jsonl", '{"path":"a.wav"}\n{"path":\n', /x\.jsonl:2: isn't JSON/],
    ["x.jsonl", '["a.wav"]\n', /x\.jsonl:1: expected an object/],
    ["x.jsonl", '{"path":"a.wav"}\n{"text":"x"}\n', /x\.jsonl:2: path: expected a file, got nothing/],
  ])("%s that are malformed are named with the line: %j", async (name, content, message) => {
    const folder = await folderOf({ "a.wav": 16000, [name]: content });
    await expect(openAudio(join(folder, name))).rejects.toThrow(message);
  });
});

describe("views", () => {
  it("are subsets, balanced ones, and held-out parts", async () => {
    const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`${i % 3}/${i}.wav`, 500 + i]));
    const set = await openAudio(await folderOf(files));
    const chosen = subset(set, [5, 0]);
    expect(names(chosen)).toEqual([set.name(5), set.name(0)]);
    expect(durations(chosen)).toEqual([set.duration(5), set.duration(0)]);
    expect(() => subset(set, [12])).toThrow(/index 12 is outside 0\.\.11/);
    expect(labels(balancedSubset(set, 6, 1)).sort()).toEqual([0, 0, 1, 1, 2, 2]);
    const { rest, heldOut } = holdOut(set, 0.25, 1);
    expect([...names(rest), ...names(heldOut)].sort()).toEqual(names(set).sort());
  });

  it("are made of clips in memory", async () => {
    const clip = { samples: new Float32Array(44100), sampleRate: 44100 };
    const set = audioInMemory({ clips: [clip, clip], sampleRate: 16000, classes: ["a", "b"], labels: [1, 0], transcripts: ["x", "y"] });
    expect(set).toMatchObject({ size: 2, transcribed: true, classes: ["a", "b"] });
    expect(durations(set)).toEqual([16000, 16000]);
    expect(labels(set)).toEqual([1, 0]);
    expect(set.file(0)).toBeNull();
    expect(() => audioInMemory({ clips: [], sampleRate: 16000 })).toThrow(/expected at least one/);
    expect(() => audioInMemory({ clips: [clip], sampleRate: 16000, transcripts: [] })).toThrow(/transcripts: expected 1, got 0/);
    expect(() => audioInMemory({ clips: [clip], sampleRate: 16000, classes: ["a"], labels: [1] })).toThrow(/label 1 is outside 0\.\.0/);
  });
});
