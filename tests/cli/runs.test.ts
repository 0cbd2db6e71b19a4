/** Training from the command line: runs, what is wrong with them, stopping and going on. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { cli, jsonOf, SMALL, start, temporaryFolder, until, writeImages } from "./run-cli.js";

const root = temporaryFolder();
const images = path.join(root, "images");
const at = (...names: string[]) => path.join(root, ...names);
const lines = (file: string) => readFileSync(file, "utf8").trimEnd().split("\n");

beforeAll(() => writeImages(images));

describe("pretrain and finetune", () => {
  it("train, print the configuration, show how it goes, and keep everything in the run folder", async () => {
    const pretrained = await cli("pretrain", "vision", "--data", images, "--out", at("a"), ...SMALL, "--steps", "4");
    expect(pretrained.code).toBe(0);
    expect(pretrained.stdout).toMatch(/^done: 4 steps in .*; the model is in /);
    expect(pretrained.stderr).toMatch(/step 4\/4 {2}loss \S+ {2}target \S+ {2}prediction \S+ {2}EMA \S+ {2}\d+ samples\/s/);
    const stored = readFileSync(at("a", "config.yaml"), "utf8");
    expect(pretrained.stderr).toContain(stored.trimEnd());
    expect(parse(stored)).toMatchObject({ model: { dim: 8, imageSize: 8 }, train: { steps: 4, batchSize: 4 } });
    expect(lines(at("a", "metrics.jsonl"))).toHaveLength(4);

    const run = ["--out", at("b"), "--threads=1", "--steps", "4", "--labels", "6", "--set", "train.batchSize=4", "data.workers=0"];
    const tuned = await cli("finetune", "classify", "--model", at("a"), "--data", images, ...run, "--json");
    expect(jsonOf(tuned)).toMatchObject({ command: "finetune", out: at("b"), step: 4, steps: 4, stopped: false, evaluationSamples: 16 });
    expect(tuned.stderr).not.toContain("train:");
    expect(parse(readFileSync(at("b", "config.yaml"), "utf8"))).toMatchObject({ model: { dim: 8, depth: 2, imageSize: 8 } });
    expect(JSON.parse(readFileSync(at("b", "run.json"), "utf8"))).toMatchObject({ data: images, model: at("a"), labels: 6 });
  });

  it("say that a model was not judged where the data has no test split, and judge on what is held out", async () => {
    const data = ["finetune", "classify", "--model", "none", "--data", path.join(images, "train"), ...SMALL, "--steps", "1"];
    const without = await cli(...data, "--out", at("no-test"));
    expect(without).toMatchObject({ code: 0, stderr: expect.stringContaining("has no test split, so the model was not judged") });
    const heldOut = jsonOf(await cli(...data, "--out", at("held-out"), "--hold-out", "0.25", "--json"));
    expect(heldOut.evaluationSamples).toBe(4);
  });

  it("refuse a second run in a folder, and another architecture than the model's", async () => {
    const again = await cli("pretrain", "vision", "--data", images, "--out", at("a"), ...SMALL, "--steps", "4");
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("there is a run in this folder already") });
    const other = await cli("finetune", "classify", "--model", at("a"), "--data", images, "--out", at("c"), "--set", "model.dim=16");
    expect(other.stderr).toContain("model.dim is 8 in the model in");
    expect(other.code).toBe(2);
    expect(existsSync(at("c"))).toBe(false);
  });

  it("refuse to go on with another configuration or other labels", async () => {
    const changed = await cli("pretrain", "vision", "--out", at("a"), "--resume", "--set", "train.learningRate=1");
    expect(changed).toMatchObject({ code: 1, stderr: expect.stringContaining("train.learningRate: 1, was 0.004") });
    const labels = await cli("finetune", "classify", "--out", at("b"), "--resume", "--labels", "8");
    expect(labels).toMatchObject({ code: 1, stderr: expect.stringContaining("labels: 8, was 6") });
  });

  it("have nothing to do when the run is complete", async () => {
    const ended = await cli("pretrain", "vision", "--out", at("a"), "--resume", "--threads=1", "--json");
    expect(jsonOf(ended)).toMatchObject({ step: 4, steps: 4, stopped: false });
    expect(ended.code).toBe(0);
  });

  it("say what is wrong with the data, and leave no run behind", async () => {
    mkdirSync(at("empty"));
    for (const [data, message] of [
      [at("nowhere"), "nowhere: no such folder"],
      [at("empty"), "accepted layouts"],
    ]) {
      const { code, stdout, stderr } = await cli("pretrain", "vision", "--data", data, "--out", at("d"), ...SMALL);
      expect(stderr).toContain(message);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(existsSync(at("d", "config.yaml"))).toBe(false);
    }
    const unlabelled = await cli(
      "finetune",
      "classify",
      "--model",
      "none",
      "--data",
      path.join(images, "train", "dark"),
      "--out",
      at("e"),
      ...SMALL,
    );
    expect(unlabelled).toMatchObject({ code: 1, stderr: expect.stringContaining("has no labels") });
    const nothing = await cli("pretrain", "vision", "--out", at("nowhere"), "--resume");
    expect(nothing).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no run in this folder, so there is nothing to resume"),
    });
  });

  it("go on past an image that can't be read, and name it", async () => {
    const folder = at("broken");
    await writeImages(folder, 12);
    const file = path.join(folder, "train", "dark", "3.png");
    writeFileSync(file, readFileSync(file).subarray(0, 40));
    const ended = await cli("pretrain", "vision", "--data", folder, "--out", at("f"), ...SMALL, "--steps", "8");
    expect(ended.code).toBe(0);
    expect(ended.stderr).toContain("1 samples couldn't be read and were replaced");
    expect(lines(at("f", "skipped.jsonl")).map((line) => JSON.parse(line).name)).toEqual([path.join("dark", "3.png")]);
  });
});

describe("a run that is stopped", () => {
  const steps = ["--steps", "500"];

  it("by Ctrl-C saves, ends with 130, and goes on to the same bits; meanwhile nobody else may write there", async () => {
    const whole = start("pretrain", "vision", "--data", images, "--out", at("whole"), ...SMALL, ...steps, "--json");
    const { child, ended } = start("pretrain", "vision", "--data", images, "--out", at("cut"), ...SMALL, ...steps, "--json");
    await until(() => existsSync(at("cut", "metrics.jsonl")) && lines(at("cut", "metrics.jsonl")).length > 3);
    child.kill("SIGSTOP");
    const second = await cli("pretrain", "vision", "--out", at("cut"), "--resume");
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining(`process ${child.pid} has been writing to this folder`) });
    child.kill("SIGCONT");
    child.kill("SIGINT");
    const cut = await ended;
    expect(cut.code).toBe(130);
    expect(cut.stderr).toContain("stopping");
    expect(jsonOf(cut)).toMatchObject({ stopped: true, steps: 500 });
    expect(jsonOf(cut).step).toBeLessThan(500);
    expect(existsSync(at("cut", "lock"))).toBe(false);

    const resumed = await cli("pretrain", "vision", "--out", at("cut"), "--resume", "--json", "--threads=1");
    expect(resumed.code).toBe(0);
    expect(jsonOf(resumed)).toMatchObject({ step: 500, stopped: false });
    expect((await whole.ended).code).toBe(0);
    for (const name of ["model", "teacher", "optimizer", "head"]) {
      const file = path.join("checkpoint", `${name}.safetensors`);
      expect(readFileSync(at("cut", file)).equals(readFileSync(at("whole", file))), file).toBe(true);
    }
    expect(lines(at("cut", "metrics.jsonl"))).toHaveLength(500);
  });

  it("by SIGTERM does the same, and says how to go on", async () => {
    const { child, ended } = start("finetune", "classify", "--model", "none", "--data", images, "--out", at("term"), ...SMALL, ...steps);
    await until(() => existsSync(at("term", "metrics.jsonl")));
    child.kill("SIGTERM");
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(130);
    expect(stdout).toMatch(/^stopped after step \d+ of 500, saved in /);
    expect(stderr).toContain(`go on: data2vec finetune classify --out ${at("term")} --resume`);
  });
});
