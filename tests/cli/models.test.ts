/** Using models from the command line: evaluate, predict, extract, inspect. */
import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { hostTensor, readSafetensors, writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { cli, jsonOf, SMALL, start, temporaryFolder, writeImages } from "./run-cli.js";

const root = temporaryFolder();
const images = path.join(root, "images");
const at = (...names: string[]) => path.join(root, ...names);
const bright = path.join(images, "test", "bright", "0.png");
const dark = path.join(images, "test", "dark", "0.png");

beforeAll(async () => {
  await writeImages(images);
  const settings = [...SMALL, "train.learningRate=0.01", "data.flip=0"];
  const tuned = await cli(
    "finetune",
    "classify",
    "--model",
    "none",
    "--data",
    images,
    "--out",
    at("classifier"),
    ...settings,
    "--steps",
    "30",
  );
  expect(tuned.code).toBe(0);
  const pretrained = await cli("pretrain", "vision", "--data", images, "--out", at("encoder"), ...SMALL, "--steps", "3");
  expect(pretrained.code).toBe(0);
});

describe("evaluate", () => {
  it("judges a classifier on the test split, or on a folder that isn't divided", async () => {
    const split = jsonOf(await cli("evaluate", "--model", at("classifier"), "--data", images, "--json"));
    expect(split).toEqual({ method: "head", samples: 16, accuracy: 1, loss: expect.any(Number) });
    const whole = jsonOf(await cli("evaluate", "--model", at("classifier"), "--data", path.join(images, "test"), "--json"));
    expect(whole).toEqual(split);
  });

  it("judges frozen features by their neighbours and by a linear probe", async () => {
    const args = ["evaluate", "--model", at("encoder"), "--data", images, "--labels", "8", "--json", "--method"];
    expect(jsonOf(await cli(...args, "knn", "--k", "3"))).toEqual({ method: "knn", samples: 16, accuracy: 1, labels: 8, k: 3 });
    expect(jsonOf(await cli(...args, "linear"))).toEqual({ method: "linear", samples: 16, accuracy: 1, labels: 8 });
  });

  it("says what to do where there is no classifier, no split to judge on, or too few neighbours", async () => {
    const encoder = ["evaluate", "--model", at("encoder"), "--data", images];
    expect(await cli(...encoder)).toMatchObject({ code: 2, stderr: expect.stringContaining("use --method knn or linear") });
    const train = ["evaluate", "--model", at("encoder"), "--data", path.join(images, "train"), "--method", "knn"];
    expect(await cli(...train)).toMatchObject({ code: 2, stderr: expect.stringContaining("--hold-out 0.2") });
    expect(await cli(...encoder, "--method", "knn", "--k", "17")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("only 16 labelled"),
    });
  });
});

describe("predict", () => {
  it("gives the classes of each file with their probabilities, the likeliest first", async () => {
    const { predictions } = jsonOf(await cli("predict", "--model", at("classifier"), bright, dark, "--json"));
    expect(predictions.map(({ file }: { file: string }) => file)).toEqual([bright, dark]);
    for (const [i, name] of ["bright", "dark"].entries()) {
      const [first, second] = predictions[i].classes;
      expect(first).toMatchObject({ name, label: i });
      expect(first.probability).toBeGreaterThan(second.probability);
      expect(first.probability + second.probability).toBeCloseTo(1, 5);
    }
    const { stdout } = await cli("predict", "--model", at("classifier"), dark, "--top", "1");
    expect(stdout).toMatch(/^.*0\.png: dark \d+\.\d %\n$/);
  });

  it("names the file that isn't there or can't be read", async () => {
    writeFileSync(at("no-image.png"), "text");
    for (const file of [at("nowhere.png"), at("no-image.png")]) {
      expect(await cli("predict", "--model", at("classifier"), file)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`error: ${file}: `),
      });
    }
  });
});

describe("extract", () => {
  it("writes the hidden states of images, row by row in the order given", async () => {
    const both = await cli("extract", "--model", at("classifier"), bright, dark, "--output", at("both.safetensors"), "--json");
    expect(jsonOf(both).tensors).toEqual([
      { name: "last_hidden_state", shape: [2, 5, 8] },
      ...[0, 1, 2].map((layer) => ({ name: `hidden_states.${layer}`, shape: [2, 5, 8] })),
      { name: "pooler_output", shape: [2, 8] },
      { name: "logits", shape: [2, 2] },
    ]);
    await cli("extract", "--model", at("classifier"), dark, "--output", at("dark.safetensors"), "--layers", "1");
    const one = await readSafetensors(at("dark.safetensors"));
    expect([...one.keys()].sort()).toEqual(["hidden_states.1", "last_hidden_state", "logits", "pooler_output"]);
    const two = await readSafetensors(at("both.safetensors"));
    for (const [name, { data }] of one) expect([...data]).toEqual([...two.get(name)!.data.slice(data.length)]);
  });

  it("takes raw inputs, and says what is wrong with them", async () => {
    const pixels = hostTensor([1, 1, 8, 8], new Float32Array(64).fill(0.5));
    const mask = { dtype: "BOOL" as const, shape: [1, 4], data: Uint8Array.of(1, 0, 0, 1) };
    const write = (name: string, tensors: Parameters<typeof writeSafetensors>[1]) => writeSafetensors(at(name), tensors);
    await write("plain.safetensors", new Map([["pixel_values", pixels]]));
    await write(
      "masked.safetensors",
      new Map([
        ["pixel_values", pixels],
        ["bool_masked_pos", mask],
      ] as const),
    );
    await write("wrong.safetensors", new Map([["pixel_values", hostTensor([1, 3, 8, 8], new Float32Array(192))]]));
    const extract = (name: string) => cli("extract", "--model", at("encoder"), at(name), "--output", at(`out-${name}`), "--layers", "last");
    for (const name of ["plain.safetensors", "masked.safetensors"]) expect((await extract(name)).code).toBe(0);
    const [plain, masked] = await Promise.all(["plain", "masked"].map((name) => readSafetensors(at(`out-${name}.safetensors`))));
    expect([...plain.keys()].sort()).toEqual(["last_hidden_state", "pooler_output"]);
    expect([...masked.get("last_hidden_state")!.data]).not.toEqual([...plain.get("last_hidden_state")!.data]);
    expect(await extract("wrong.safetensors")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("pixel_values: expected [1,1,8,8], got [1,3,8,8]"),
    });
  });

  it("names the layers there are", async () => {
    const wrong = await cli("extract", "--model", at("encoder"), dark, "--output", at("no.safetensors"), "--layers", "3");
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining("layers 0 (the embedding) to 2") });
    expect(existsSync(at("no.safetensors"))).toBe(false);
  });
});

describe("inspect", () => {
  it("shows progress, configuration and tensors of a run", async () => {
    const seen = jsonOf(await cli("inspect", at("encoder"), "--json"));
    expect(seen).toMatchObject({
      run: at("encoder"),
      progress: { step: 3, steps: 3 },
      config: { model_type: "data2vec-vision", hidden_size: 8 },
    });
    const model = seen.files.find(({ file }: { file: string }) => file.endsWith(`${path.sep}model.safetensors`));
    expect(seen.parameters).toBe(model.parameters);
    expect(model.tensors).toContainEqual({ name: "embeddings.cls_token", dtype: "F32", shape: [1, 1, 8] });
    const { stdout } = await cli("inspect", at("encoder"));
    expect(stdout).toMatch(/^progress step 3 of 3$/m);
    expect(stdout).toMatch(/embeddings\.cls_token +F32 +\[1, 1, 8\]/);
  });

  it("names what is wrong with a file", async () => {
    const file = at("cut.safetensors");
    writeFileSync(file, readFileSync(at("encoder", "checkpoint", "model.safetensors")));
    truncateSync(file, 5000);
    expect(await cli("inspect", file)).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/cut\.safetensors.*truncated/) });
    expect(await cli("inspect", at("nowhere"))).toMatchObject({ code: 2, stderr: expect.stringContaining("no such file or folder") });
    expect(await cli("inspect", images)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("config.json and model.safetensors missing"),
    });
  });

  it("is not disturbed by a reader that goes away", async () => {
    const { child, ended } = start("inspect", at("encoder"), "--json");
    child.stdout!.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });
});
