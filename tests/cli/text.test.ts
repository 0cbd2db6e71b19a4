/** Text from the command line: every kind of bad corpus, table, line and token. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type HostTensor, writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { cli, jsonOf, temporaryFolder } from "./run-cli.js";

const root = temporaryFolder();
const at = (...names: string[]) => path.join(root, ...names);

const SMALL = [
  "--threads=1",
  "--set",
  ...["model.vocabSize=300", "model.maxPositions=24", "model.dim=8", "model.depth=1", "model.heads=2", "model.averageTopKLayers=1"],
  ...["data.tokensPerSample=24", "train.batchSize=4", `data.tokenizer=${at("tokenizer")}`],
  "--steps=2",
];

const LINES = Array.from({ length: 30 }, (_, i) => `the cat ${i} runs after the dog`);
const LONG = Array.from({ length: 100 }, (_, i) => `word${i}`).join(" ");

function write(name: string, ...parts: (string | number[])[]): string {
  writeFileSync(at(name), Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part)))));
  return at(name);
}

const table = (name: string, ...more: (string | number[])[]) =>
  write(name, "text\tlabel\n", LINES.map((line, i) => `${line}\t${i % 2 === 0 ? "even" : "odd"}\n`).join(""), ...more);

const pretrain = (data: string, out: string) => cli("pretrain", "text", "--data", data, "--out", at(out), "--json", ...SMALL);
const evaluate = (data: string) => cli("evaluate", "--model", at("model"), "--data", data, "--json");

beforeAll(async () => {
  const corpus = write("corpus.txt", `${LINES.join("\n")}\n`);
  expect((await cli("tokenizer", "train", corpus, "--vocab", "280", "--out", at("tokenizer"))).code).toBe(0);
  const args = ["--model", "none", "--modality", "text", "--data", table("good.tsv"), "--out", at("model")];
  expect((await cli("finetune", "classify", ...args, ...SMALL)).code).toBe(0);
});

describe("a corpus", () => {
  it("may have empty lines, and sentences too long, which are counted and named", async () => {
    const corpus = write("mixed.txt", `\n${LINES.join("\n\n \t\n")}\n${LONG}\n\n`);
    const ended = await pretrain(corpus, "mixed");
    expect(jsonOf(ended).step).toBe(2);
    const skipped = readFileSync(at("mixed", "skipped.jsonl"), "utf8");
    const error = "1 sentences have more than data.tokensPerSample (24) and are left out";
    expect(skipped).toBe(`${JSON.stringify({ name: corpus, error })}\n`);
  });

  it("is refused where it has no text, is no UTF-8, or of another form", async () => {
    const cases: [string, string][] = [
      [write("blank.txt", "\n\n  \n"), "blank.txt: no block of text to learn from"],
      [write("invalid.txt", "one\ntwo\n", [0xff], "\n"), "invalid.txt:3: not UTF-8"],
      [write("long.txt", `${LONG}\n`), "1 sentences are longer than a block of 24 tokens"],
      [write("other.jsonl", '{"text":"a"}\n{"txt":"b"}\n'), 'other.jsonl:2: expected a text in the field "text", got the fields txt'],
      [write("broken.parquet", "PAR0"), "broken.parquet: can't be read as Parquet"],
      [at("nowhere"), "nowhere: no such file or folder"],
    ];
    for (const [i, [data, message]] of cases.entries()) {
      expect(await pretrain(data, `refused${i}`)).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining(message) });
    }
  });
});

describe("labelled texts", () => {
  it("may have empty lines and texts, and long ones, which are cut", async () => {
    const file = table("odd.tsv", "\n\n", "\teven\n", `${LONG}\todd\n`);
    expect(jsonOf(await evaluate(file))).toMatchObject({ samples: 32, loss: expect.any(Number) });
  });

  it("are refused by file and line where a row isn't whole", async () => {
    const cases: [string, string][] = [
      [table("invalid.tsv", [0x61, 0xff], "\teven\n"), "invalid.tsv:32: not UTF-8"],
      [table("columns.tsv", "a cat\n"), "columns.tsv:32: expected 2 fields (text, label), got 1"],
      [table("unlabelled.tsv", "a cat\t\n"), 'unlabelled.tsv:32: label: expected a class, got ""'],
      [table("other.tsv", "a cat\tprime\n"), 'other.tsv:32: label: expected one of the classes even, odd, got "prime"'],
      [write("empty.tsv", "text\tlabel\n"), "empty.tsv: has no rows"],
      [write("names.tsv", "a\tb\nx\ty\n"), "names.tsv:1: no column of text among a, b"],
    ];
    for (const [data, message] of cases) {
      expect(await evaluate(data)).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining(message) });
    }
  });

  it("are predicted line by line, but for empty ones and what isn't UTF-8", async () => {
    const file = write("lines.txt", "the cat\n\n  \n", `${LONG}\n`);
    const { predictions } = jsonOf(await cli("predict", "--model", at("model"), file, "--json"));
    expect(predictions.map((prediction: { file: string }) => prediction.file)).toEqual([`${file}:1`, `${file}:4`]);
    const invalid = write("lines-invalid.txt", "the cat\n", [0xff], "\n");
    expect((await cli("predict", "--model", at("model"), invalid)).stderr).toContain(`${invalid}:2: not UTF-8`);
  });
});

describe("raw tokens", () => {
  it("are refused beyond the vocabulary, the positions and the types, or padded at the left", async () => {
    const tensor = (...values: number[]): HostTensor => ({
      dtype: "I64",
      shape: [1, values.length],
      data: BigInt64Array.from(values, (value) => BigInt(value)),
    });
    const ids = tensor(0, 5, 6, 2);
    const cases: [Record<string, HostTensor>, string][] = [
      [{ input_ids: tensor(0, 5, 300, 2) }, "input_ids[0,2]: expected a token of the vocabulary, below 300, got 300"],
      [{ input_ids: tensor(0, -1, 6, 2) }, "input_ids[0,1]: expected a token of the vocabulary, below 300, got -1"],
      [{ input_ids: tensor(...new Array(25).fill(5)) }, "input_ids[0]: expected at most 24 tokens, which the model has positions for"],
      [{ input_ids: tensor() }, "input_ids: expected [batch,time], got [1,0]"],
      [{ input_ids: ids, attention_mask: tensor(0, 1, 1, 1) }, "attention_mask[0]: expected ones, then zeros"],
      [{ input_ids: ids, token_type_ids: tensor(0, 7, 0, 0) }, "token_type_ids[0,1]: expected a token type below 1, got 7"],
    ];
    const file = at("raw.safetensors");
    for (const [tensors, message] of cases) {
      await writeSafetensors(file, new Map(Object.entries(tensors)));
      const ended = await cli("extract", "--model", at("model"), file, "--output", at("out.safetensors"));
      expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining(message) });
    }
  });
});
