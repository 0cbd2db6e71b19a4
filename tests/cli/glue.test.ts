/** GLUE from the command line: what a model learned is kept with it, and says by what it is judged. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { cli, jsonOf, temporaryFolder } from "./run-cli.js";

const root = temporaryFolder();
const at = (...names: string[]) => path.join(root, ...names);

const SMALL = [
  "--threads=1",
  "--set",
  ...["model.vocabSize=300", "model.maxPositions=24", "model.dim=8", "model.depth=1", "model.heads=2", "model.averageTopKLayers=1"],
  ...["data.tokensPerSample=24", "train.batchSize=4", "train.logEvery=1"],
  `data.tokenizer=${at("tokenizer")}`,
];

function write(name: string, rows: readonly (readonly (string | number)[])[]): void {
  mkdirSync(path.dirname(at(name)), { recursive: true });
  writeFileSync(at(name), rows.map((row) => `${row.join("\t")}\n`).join(""));
}

/** Rows of CoLA, which has no header: three of four are acceptable. */
const cola = (count: number) =>
  Array.from({ length: count }, (_, i) => (i % 4 === 0 ? ["x", 0, "*", `runs cat the ${i}`] : ["x", 1, "", `the cat runs ${i}`]));
const mnli = (count: number) => [
  ["index", "sentence1", "sentence2", "gold_label"],
  ...Array.from({ length: count }, (_, i) => [i, `a cat ${i}`, "it runs", ["entailment", "neutral", "contradiction"][i % 3]]),
];

const fresh = (...args: string[]) => cli("finetune", "classify", "--model", "none", "--modality", "text", ...args);

beforeAll(async () => {
  write("CoLA/train.tsv", cola(24));
  write("CoLA/dev.tsv", cola(16));
  write("MNLI/train.tsv", mnli(12));
  write("MNLI/dev_matched.tsv", mnli(9));
  write("MNLI/dev_mismatched.tsv", mnli(6));
  writeFileSync(at("corpus.txt"), "the cat runs\na cat eats what it has\n".repeat(200));
  expect((await cli("tokenizer", "train", at("corpus.txt"), "--vocab", "270", "--out", at("tokenizer"))).code).toBe(0);
  // Without a step of learning rate, the model says one and the same of everything: Matthews is 0, accuracy isn't.
  const settings = [...SMALL, "train.learningRate=1e-12", "--steps", "1"];
  expect((await fresh("--data", at("CoLA"), "--out", at("cola"), ...settings)).code).toBe(0);
  expect((await fresh("--data", at("MNLI"), "--out", at("mnli"), ...settings)).code).toBe(0);
});

describe("finetune", () => {
  const settings = async (...args: string[]) => {
    const ended = await fresh("--settings", "--json", ...args);
    const listed: { key: string; value: unknown }[] = jsonOf(ended).settings;
    const value = (name: string) => listed.find(({ key }) => key === `train.${name}`)!.value;
    return ["learningRate", "steps", "warmupSteps", "batchSize"].map(value);
  };

  it("takes the recipe of a GLUE folder in the published sizes, under a file and --set", async () => {
    const sst2 = [1e-5, 20_935, 1256, 32];
    expect(await settings("--preset", "base", "--data", at("elsewhere"))).toEqual(sst2);
    expect(await settings("--preset", "base", "--data", at("CoLA"))).toEqual([1e-5, 5336, 320, 16]);
    expect(await settings("--preset", "tiny", "--data", at("CoLA"))).toEqual(await settings("--preset", "tiny"));
    writeFileSync(at("mine.yaml"), "train:\n  steps: 900\n  warmupSteps: 50\n");
    const both = ["--preset", "large", "--data", at("glue", "STS-B"), "--config", at("mine.yaml"), "--set", "train.warmupSteps=0.1"];
    expect(await settings(...both)).toEqual([2e-5, 900, 0.1, 16]);
  });

  it("says so", async () => {
    const { stderr } = await fresh("--settings", "--preset", "base", "--data", at("CoLA"));
    const settings = "train.learningRate=0.00001 train.steps=5336 train.warmupSteps=320 train.batchSize=16";
    expect(stderr).toContain(`recipe of GLUE's cola, over the preset: ${settings}`);
    const short = await fresh("--settings", "--preset", "base", "--data", at("CoLA"), "--steps", "100");
    expect(short).toMatchObject({ code: 2, stderr: expect.stringContaining("recipe of GLUE's cola: train.warmupSteps: expected at most") });
  });
});

describe("evaluate", () => {
  it("judges a model of a GLUE task by the metrics of fine-tuning, whatever the folder is called", async () => {
    const tuned = JSON.parse(readFileSync(at("cola", "metrics.jsonl"), "utf8").trimEnd().split("\n").at(-1)!);
    expect(Object.keys(tuned)).toContain("evaluationMatthews");
    const config = JSON.parse(readFileSync(at("cola", "checkpoint", "config.json"), "utf8"));
    expect(config).toMatchObject({ finetuning_task: "cola", id2label: { 0: "unacceptable", 1: "acceptable" } });
    const named = jsonOf(await cli("evaluate", "--model", at("cola"), "--data", at("CoLA"), "--json"));
    expect(named).toEqual({ method: "head", samples: 16, matthews: tuned.evaluationMatthews, loss: expect.any(Number) });
    expect(named.loss).toBeCloseTo(tuned.evaluationLoss, 5);
    const label = (value: number | string) => (value === 1 ? "acceptable" : "unacceptable");
    write("mine.tsv", [["sentence", "label"], ...cola(16).map(([, value, , sentence]) => [sentence, label(value)])]);
    expect(jsonOf(await cli("evaluate", "--model", at("cola"), "--data", at("mine.tsv"), "--json"))).toEqual(named);
    const held = jsonOf(await cli("evaluate", "--model", at("cola"), "--data", at("mine.tsv"), "--hold-out", "0.5", "--json"));
    expect(Object.keys(held)).toEqual(["method", "samples", "matthews", "loss"]);
  });

  it("judges MNLI on both of its sets", async () => {
    const ended = await cli("evaluate", "--model", at("mnli"), "--data", at("MNLI"), "--json");
    const judged = jsonOf(ended);
    expect(Object.keys(judged)).toEqual(["method", "samples", "accuracyMatched", "accuracyMismatched", "loss"]);
    expect([judged.samples, judged.accuracyMatched, judged.accuracyMismatched]).toEqual([15, 1 / 3, 1 / 3]);
    const { stdout } = await cli("evaluate", "--model", at("mnli"), "--data", at("MNLI"));
    expect(stdout).toMatch(/^accuracyMatched 33\.3 %, accuracyMismatched 33\.3 % on 15 samples \(loss 1\.\d+\)\n$/);
    cpSync(at("MNLI"), at("half", "MNLI"), { recursive: true, filter: (file) => !file.includes("mismatched") });
    expect(await cli("evaluate", "--model", at("mnli"), "--data", at("half", "MNLI"))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("dev_mismatched"),
    });
  });

  it("refuses another task's data by its classes", async () => {
    expect(await cli("evaluate", "--model", at("cola"), "--data", at("MNLI"))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("mnli has the classes entailment, neutral, contradiction, the model unacceptable, acceptable"),
    });
  });
});
