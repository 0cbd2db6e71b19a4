/** What the command line says of itself, and of being used wrongly. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cli, jsonOf } from "./run-cli.js";

const COMMANDS = ["pretrain", "finetune", "evaluate", "predict", "extract", "tokenizer", "inspect", "doctor", "bench", "demo"];

describe("help", () => {
  it("lists every command", async () => {
    const { code, stdout } = await cli("--help");
    expect(code).toBe(0);
    const listed = [...stdout.matchAll(/^ {2}(\w+) .*/gm)].map(([, name]) => name);
    expect(listed.filter((name) => name !== "help" && name !== "data2vec")).toEqual(COMMANDS);
  });

  it.each(COMMANDS)("of %s has its flags and an example", async (command) => {
    const { code, stdout } = await cli(command, "--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Usage: data2vec ${command} `));
    expect(stdout).toContain("--json");
    expect(stdout).toMatch(new RegExp(`Examples?:\\n +data2vec ${command}`));
  });

  it("comes with exit code 2 where no command is given", async () => {
    const { code, stdout, stderr } = await cli();
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("Usage: data2vec");
  });

  it("tells the version", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    expect(await cli("--version")).toMatchObject({ code: 0, stdout: `${version}\n` });
  });
});

describe("wrong use", () => {
  it.each([
    ["an unknown command", ["pretrian"], "Did you mean pretrain?"],
    ["an unknown flag", ["predict", "--modle", "x", "a.png"], "Did you mean --model?"],
    ["a setting given as a flag", ["pretrain", "vision", "--batch-size", "3"], "--set train.batchSize=VALUE"],
    ["an unknown modality", ["pretrain", "visoin"], "Allowed choices are vision"],
    ["an unknown engine", ["doctor", "--device", "gpu"], "auto, cuda, cuda:N, cpu, wasm, reference"],
    ["an unknown precision", ["doctor", "--precision", "f16"], "Allowed choices are f32, tf32, bf16"],
    ["an unknown preset", ["pretrain", "vision", "--preset", "tinny", "--settings"], "did you mean tiny?"],
    ["an unknown setting", ["pretrain", "vision", "--settings", "--set", "train.batchsize=3"], "did you mean train.batchSize?"],
    ["a setting out of range", ["pretrain", "vision", "--settings", "--set", "train.steps=0"], "an integer from 1 to 1000000000, got 0"],
    ["a flag out of range", ["doctor", "--threads", "0"], "from 1 to 256"],
    ["a shape that is none", ["bench", "gemm", "--shape", "512x768"], "512x768x3072"],
    ["a fraction out of range", ["evaluate", "--hold-out", "1"], "above 0 and below 1"],
    ["a size without a number", ["doctor", "--memory-limit", "much"], "512MiB"],
    ["layers that are none", ["extract", "a.png", "--layers", "top"], "all, last, or numbers"],
    ["a missing flag", ["pretrain", "vision", "--data", "x"], "--out FOLDER is needed"],
    ["a missing model", ["predict", "a.png"], "--model FOLDER is needed"],
    ["a preset for a run that goes on", ["pretrain", "vision", "--out", "x", "--resume", "--preset", "tiny"], "cannot be used with"],
    ["a YAML file that isn't there", ["pretrain", "vision", "--settings", "--config", "no.yaml"], "no.yaml: can't be read: no such file"],
    ["one argument too many", ["doctor", "please"], "too many arguments"],
  ])("%s ends with 2 and says what is right", async (_, args, message) => {
    const { code, stdout, stderr } = await cli(...args);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n {4}at /);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });
});

describe("--settings", () => {
  it("lists every setting with its effective value, what it accepts and what it means", async () => {
    const { settings } = jsonOf(await cli("pretrain", "vision", "--preset", "base", "--set", "train.batchSize=32", "--settings", "--json"));
    const byKey = new Map(settings.map((setting: { key: string }) => [setting.key, setting]));
    expect(byKey.get("train.batchSize")).toMatchObject({ value: 32, accepts: "an integer from 1 to 65536" });
    expect(byKey.get("model.dim")).toMatchObject({ value: 768, description: expect.stringContaining("Transformer") });
    expect(byKey.get("data.mean")).toMatchObject({ value: [0.485, 0.456, 0.406] });
  });
});
