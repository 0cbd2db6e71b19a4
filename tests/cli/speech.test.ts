/** Recognition from the command line: the search, and every kind of bad clip, transcript, language model and lexicon. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { Philox } from "../../src/backend/philox.js";
import { drawClip, wav } from "../modalities/speech-clips.js";
import { cli, jsonOf, temporaryFolder } from "./run-cli.js";

const root = temporaryFolder();
const at = (...names: string[]) => path.join(root, ...names);

const SMALL = [
  "--threads=1",
  "--set",
  ...["model.convDims=[8,8,8,8,8,8,8]", "model.dim=16", "model.depth=1", "model.heads=2", "model.posConvLayers=1"],
  ...["model.posConvKernel=5", "model.posConvGroups=4", "model.averageTopKLayers=1"],
  ...["data.workers=0", "train.batchSize=4", "train.logEvery=1", "train.evaluateEvery=0"],
];

const WORDS = ["la", "di du"];
const clip = (label: number, samples = 4400) => wav(drawClip(label, samples, new Philox(label, "clip")));

function write(name: string, content: string | Uint8Array): string {
  mkdirSync(path.dirname(at(name)), { recursive: true });
  writeFileSync(at(name), content);
  return at(name);
}

/** A table of good clips and some bad ones. */
function table(name: string, bad: Readonly<Record<string, { clip?: Uint8Array; text?: string | Uint8Array }>> = {}, good = 6): string {
  const rows: (string | Uint8Array)[] = ["path,text\n"];
  for (let i = 0; i < good; i++) {
    write(`${name}/good${i}.wav`, clip(i % 2));
    rows.push(`good${i}.wav,${WORDS[i % 2]}\n`);
  }
  for (const [file, { clip: bytes, text = "la" }] of Object.entries(bad)) {
    if (bytes !== undefined) write(`${name}/${file}`, bytes);
    rows.push(`${file},`, text, "\n");
  }
  return write(`${name}/list.csv`, Buffer.concat(rows.map((row) => Buffer.from(row))));
}

/** 32-bit floats, one of which isn't finite. */
function wavOfFloats(samples: Float32Array): Buffer {
  const header = clip(0).subarray(0, 44);
  header.writeUInt16LE(3, 20);
  header.writeUInt32LE(4 * 16_000, 28);
  header.writeUInt16LE(4, 32);
  header.writeUInt16LE(32, 34);
  header.writeUInt32LE(4 * samples.length, 40);
  header.writeUInt32LE(36 + 4 * samples.length, 4);
  return Buffer.concat([header, Buffer.from(samples.buffer)]);
}

/** A clip whose header tells of other channels, or another rate. */
function withHeader(bytes: Buffer, { channels = 1, rate = 16_000 }): Buffer {
  bytes.writeUInt16LE(channels, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(2 * channels * rate, 28);
  bytes.writeUInt16LE(2 * channels, 32);
  return bytes;
}

const notFinite = drawClip(0, 4400, new Philox(0, "clip"));
notFinite[100] = Number.NaN;

const BAD: Readonly<Record<string, { clip?: Uint8Array; text?: string; error: string }>> = {
  "text.wav": { clip: Buffer.from("no audio"), error: "not an audio file" },
  "empty.wav": { clip: Buffer.alloc(0), error: "empty file" },
  "none.wav": { clip: clip(0, 0), error: "holds no samples" },
  "short.wav": { clip: clip(0, 399), error: "too short: 399 samples at 16000 Hz, but a model needs 400" },
  "cut.wav": { clip: clip(0).subarray(0, 4000), error: "WAV: truncated" },
  "nan.wav": { clip: wavOfFloats(notFinite), error: "sample 100 isn't a finite number" },
  "rate.wav": { clip: withHeader(clip(0), { rate: 0 }), error: "sample rate: expected 1000 to 192000 Hz, got 0" },
  "missing.wav": { error: "no such file" },
};

const ARPA = "\\data\\\nngram 1=5\n\n\\1-grams:\n-1\t<s>\n-0.5\t</s>\n-0.5\tLA\n-0.6\tDI\n-0.7\tDU\n\n\\end\\\n";

const model = () => ["--model", at("model")];
const data = () => ["--data", at("plain", "list.csv")];
const scratch = (...args: string[]) => cli("finetune", "ctc", "--model", "none", "--modality", "speech", ...args);

beforeAll(async () => {
  const plain = table("plain");
  const tuned = await scratch("--data", plain, "--out", at("model"), ...SMALL, "--steps", "2");
  expect(tuned.stderr).not.toContain("couldn't be read");
  expect(tuned.code).toBe(0);
});

describe("bad clips", () => {
  it("are named, and no reason to stop: in evaluation left out, in training replaced", async () => {
    const odd = {
      "stereo.wav": { clip: withHeader(clip(0, 8800), { channels: 2 }) },
      "odd.wav": { clip: withHeader(clip(1), { rate: 11_025 }) },
    };
    const judged = await cli("evaluate", ...model(), "--data", table("some", { ...odd, "text.wav": BAD["text.wav"] }), "--json");
    expect(jsonOf(judged).samples).toBe(8);
    const all = await cli("evaluate", ...model(), "--data", table("bad", BAD));
    expect(all).toMatchObject({ code: 1, stderr: expect.stringContaining("8 of 14 samples couldn't be read") });
    for (const [name, { error }] of Object.entries(BAD)) expect(all.stderr).toContain(`skipped ${name}: ${error}`);
    for (const [name, { clip: bytes, error }] of Object.entries(BAD)) {
      if (!["text.wav", "nan.wav", "missing.wav"].includes(name)) continue;
      const one = table(`bad-${name}`, { [name]: { clip: bytes } }, 20);
      const ended = await scratch("--data", one, "--out", at(`run-${name}`), ...SMALL, "--steps", "6", "--json");
      expect(jsonOf(ended)).toMatchObject({ step: 6, stopped: false });
      const skipped = readFileSync(at(`run-${name}`, "skipped.jsonl"), "utf8")
        .trimEnd()
        .split("\n");
      expect(skipped.map((line) => JSON.parse(line))).toEqual([{ name, error: expect.stringContaining(error) }]);
    }
  });

  it("end a prediction, which names them", async () => {
    for (const [name, { error }] of Object.entries(BAD)) {
      if (!["short.wav", "nan.wav"].includes(name)) continue;
      const ended = await cli("predict", ...model(), at("plain", "good0.wav"), at("bad", name));
      expect(ended).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining(`error: ${at("bad", name)}: ${error}`) });
    }
    expect((await cli("predict", ...model(), at("plain"))).stderr).toContain(`${at("plain")}: is a folder, not a file`);
  });
});

describe("bad transcripts", () => {
  it("that the vocabulary can't write stop a run before it starts; in evaluation they count as errors", async () => {
    const list = table("letters", { "accent.wav": { clip: clip(0), text: "là" } });
    const ended = await scratch("--data", list, "--out", at("run-letters"), ...SMALL, "data.vocabulary=published", "--steps", "1");
    expect(ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('accent.wav: "là": the vocabulary (data.vocabulary=published) lacks "À"'),
    });
    expect(existsSync(at("run-letters", "checkpoint"))).toBe(false);
    expect(jsonOf(await cli("evaluate", ...model(), "--data", list, "--json")).samples).toBe(7);
  });

  it("longer than the frames allow are counted, and teach nothing", async () => {
    const list = table("long", { "long.wav": { clip: clip(0, 1600), text: "la di du la di du" } });
    const ended = await scratch("--data", list, "--out", at("run-long"), ...SMALL, "--steps", "7", "--json");
    expect(jsonOf(ended)).toMatchObject({ step: 7, stopped: false });
    const steps = readFileSync(at("run-long", "metrics.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(steps.filter(({ tooLong }) => tooLong === 1).length).toBeGreaterThan(0);
    expect(steps.every(({ loss }) => loss === undefined || Number.isFinite(loss))).toBe(true);
  });

  it("that aren't UTF-8 are named by file and line, in every layout", async () => {
    const invalid = Buffer.from([0x6c, 0xff, 0x61]);
    const places = [`${table("utf", { "utf.wav": { clip: clip(0), text: invalid } })}:8`];
    cpSync(at("plain", "good0.wav"), at("libri", "1", "2", "1-2-0.wav"));
    const line = (before: string, after: string) => Buffer.concat([Buffer.from(before), invalid, Buffer.from(after)]);
    places.push(`${write("libri/1/2/1-2.trans.txt", line("\n1-2-0 ", "\n"))}:2`);
    write("manifest.tsv", `${at("plain")}\ngood0.wav\t4400\n`);
    places.push(`${write("manifest.ltr", line("", " |\n"))}:1`);
    places.push(`${write("list.jsonl", line('{"path":"plain/good0.wav","text":"', '"}\n'))}:1`);
    for (const [i, place] of [at("utf", "list.csv"), at("libri"), at("manifest.tsv"), at("list.jsonl")].entries()) {
      expect(await cli("evaluate", ...model(), "--data", place)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`${places[i]}: not UTF-8`),
      });
    }
  });
});

describe("the search", () => {
  const judge = (...args: string[]) => cli("evaluate", ...model(), ...data(), ...args);
  const lm = (content: string | Uint8Array) => write("some.arpa", content);

  it("takes a beam, a language model, a lexicon and their weights", async () => {
    const lexicon = write("words.txt", "LA\nDI\n\nDU 2\n");
    const language = write("good.arpa.gz", gzipSync(ARPA));
    const found = await judge(
      "--beam",
      "4",
      "--lm",
      language,
      "--lm-weight",
      "0.5",
      "--lexicon",
      lexicon,
      "--word-score",
      "-0.2",
      "--json",
    );
    expect(jsonOf(found).samples).toBe(6);
    const { predictions } = jsonOf(
      await cli("predict", ...model(), at("plain", "good0.wav"), "--lexicon", lexicon, "--word-score", "9", "--json"),
    );
    for (const word of predictions[0].text.split(" ")) expect(["LA", "DI", "DU"]).toContain(word);
  });

  it("refuses sizes, weights and combinations that mean nothing", async () => {
    const cases: [string[], string][] = [
      [["--beam", "0"], "whole number from 1 to 100000"],
      [["--beam", "many"], "whole number from 1 to 100000"],
      [["--beam", "4", "--word-score", "NaN"], "'NaN' is invalid. It must be a number"],
      [["--lm-weight", "2"], "--lm-weight: needs --beam, --lm or --lexicon"],
      [["--beam", "4", "--lm-weight", "2"], "--lm-weight: needs --lm FILE"],
      [["--word-score", "1"], "--word-score: needs --beam, --lm or --lexicon"],
      [["--method", "knn", "--beam", "4"], "--beam: not with --method knn"],
    ];
    for (const [args, message] of cases) {
      expect(await judge(...args)).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(message) });
    }
  });

  it("names what is wrong with a language model", async () => {
    const cases: [string | Uint8Array, string][] = [
      [ARPA.replace("\\end\\", ""), "truncated: it has no \\end\\"],
      [gzipSync(ARPA).subarray(0, 40), "unexpected end of file"],
      ["some text\n", "isn't an ARPA file"],
      [ARPA.replace("-0.5\tLA", "0.5\tLA"), "some.arpa:7: expected a log-probability up to 0, got 0.5"],
      [Buffer.from(ARPA.replace("DU", "D\u00fc"), "latin1"), "some.arpa:9: not UTF-8"],
      [ARPA.toLowerCase(), 'none of its 3 words, such as "la", can be written in the symbols of the model: |ADILU'],
    ];
    for (const [content, message] of cases) {
      const { code, stderr } = await judge("--lm", lm(content));
      expect(code).toBeGreaterThan(0);
      expect(stderr).toMatch(/error: .*some\.arpa/);
      expect(stderr).toContain(message);
    }
    expect((await judge("--lm", at("nowhere.arpa"))).stderr).toContain(`${at("nowhere.arpa")}: no such file`);
  });

  it("names what is wrong with a lexicon", async () => {
    const file = at("words-bad.txt");
    for (const [content, message] of [
      ["\n \n", "holds no words"],
      ["LA\nla\n", '"la": the vocabulary lacks "l"\nleave the word out, or write it in the symbols of the model: |ADILU'],
    ]) {
      writeFileSync(file, content);
      expect(await judge("--lexicon", file)).toMatchObject({ code: 2, stderr: expect.stringContaining(`--lexicon ${file}: ${message}`) });
    }
    writeFileSync(file, Buffer.from([0x4c, 0x0a, 0xff]));
    expect((await judge("--lexicon", file)).stderr).toContain(`--lexicon ${file}:2: not UTF-8`);
    rmSync(file);
    expect((await judge("--lexicon", file)).stderr).toContain(`--lexicon ${file}: no such file`);
  });
});

describe("--fresh-weights", () => {
  const flag = "--fresh-weights";

  it("needs a model to be like", async () => {
    const none = await scratch(flag, ...data(), "--out", at("fresh-none"));
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("--fresh-weights: needs --model FOLDER") });
  });

  it("is remembered by a run that had saved nothing when it stopped", async () => {
    const tune = (out: string, ...args: string[]) => cli("finetune", "ctc", ...data(), "--out", at(out), "--threads=1", ...args);
    const fresh = ["--model", at("model"), flag, "--set", "data.workers=0", "--steps", "1"];
    expect((await tune("fresh", ...fresh)).code).toBe(0);
    cpSync(at("fresh", "run.json"), at("again", "run.json"));
    cpSync(at("fresh", "config.yaml"), at("again", "config.yaml"));
    expect((await cli("finetune", "ctc", "--out", at("again"), "--resume", "--threads=1")).code).toBe(0);
    const weights = (out: string) => readFileSync(at(out, "checkpoint", "model.safetensors"));
    expect(weights("again")).toEqual(weights("fresh"));
  });
});
