import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Philox } from "../../src/backend/philox.js";
import { createWasmBackend } from "../../src/backend/wasm.js";
import { openTokenizer } from "../../src/data/text/tokenizer-files.js";
import type { MaskedInput } from "../../src/data2vec/pretraining.js";
import type { LabelledBatch } from "../../src/modalities/modality.js";
import type { PreparedBatch } from "../../src/modalities/prepared-batch.js";
import type { TextConfig } from "../../src/modalities/text/config.js";
import type { TextInput } from "../../src/modalities/text/input.js";
import { text } from "../../src/modalities/text/text.js";
import { Device } from "../../src/tensor/device.js";
import { loadConfig } from "../../src/train/config.js";
import { finetune } from "../../src/train/finetune.js";
import { pretrain } from "../../src/train/pretrain.js";

const ANIMALS = ["cat", "dog", "horse", "sheep", "goose"];
const PLANTS = ["oak", "rose", "grass", "fern", "moss"];

/** A sentence about animals (0) or plants (1). */
function sentence(kind: number, random: Philox): string {
  const words = kind === 0 ? ANIMALS : PLANTS;
  const word = () => words[random.int(words.length)];
  return kind === 0 ? `the ${word()} runs after the ${word()} and eats` : `a ${word()} grows beside the ${word()} in the sun`;
}

const SMALL = [
  "model.vocabSize=300",
  "model.maxPositions=32",
  "model.dim=16",
  "model.depth=2",
  "model.heads=2",
  "model.averageTopKLayers=2",
  "data.tokensPerSample=32",
  "train.batchSize=4",
  "train.logEvery=1",
];

const root = { path: "" };
const at = (...names: string[]) => path.join(root.path, ...names);
const onSkip = () => {};
const device = new Device(createWasmBackend({ threads: 1 }));

const pretraining = (set: string[] = []) => loadConfig(text, "pretrain", { preset: "tiny", set: [...SMALL, "train.steps=4", ...set] });
const finetuning = (set: string[] = []) =>
  loadConfig(text, "finetune", { preset: "tiny", set: [...SMALL, "train.steps=30", "train.evaluateEvery=0", ...set] });

async function run(config: TextConfig, out: string, { resume = false, stopAfter = Number.POSITIVE_INFINITY } = {}): Promise<number[]> {
  const losses: number[] = [];
  for await (const { step, metrics } of pretrain({ modality: text, config, data: at("corpus"), out, device, resume })) {
    losses.push(metrics.loss);
    if (step === stopAfter) break;
  }
  return losses;
}

beforeAll(async () => {
  root.path = await mkdtemp(path.join(tmpdir(), "data2vec-"));
  const random = new Philox(1, "corpus");
  await mkdir(at("corpus"));
  const lines = Array.from({ length: 120 }, (_, i) => (i % 10 === 9 ? "" : sentence(i % 2, random)));
  await writeFile(at("corpus", "all.txt"), lines.join("\n"));
  const rows = (count: number) => Array.from({ length: count }, (_, i) => `${sentence(i % 2, random)}\t${["animal", "plant"][i % 2]}`);
  await mkdir(at("kinds"));
  await writeFile(at("kinds", "train.tsv"), ["text\tlabel", ...rows(40)].join("\n"));
  await writeFile(at("kinds", "test.tsv"), ["text\tlabel", ...rows(16)].join("\n"));
  await mkdir(at("STS-B"));
  const pairs = Array.from({ length: 12 }, (_, i) => `${sentence(0, random)}\t${sentence(i % 2, random)}\t${i % 2 === 0 ? 4.5 : 1}`);
  for (const split of ["train", "dev"]) await writeFile(at("STS-B", `${split}.tsv`), ["sentence1\tsentence2\tscore", ...pairs].join("\n"));
  await run(await pretraining(), at("pretrained"));
});
afterAll(async () => {
  device.close();
  await rm(root.path, { recursive: true });
});

describe("pretraining on text", () => {
  it("learns a tokenizer from the corpus and saves it in the checkpoint, as Hugging Face has it", async () => {
    const names = await readdir(at("pretrained", "checkpoint"));
    const files = ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"];
    expect(names).toEqual(expect.arrayContaining([...files, "config.json", "model.safetensors"]));
    const json = async (name: string) => JSON.parse(await readFile(at("pretrained", "checkpoint", name), "utf8"));
    expect((await json("tokenizer_config.json")).model_max_length).toBe(32);
    expect(await json("config.json")).toMatchObject({ vocab_size: 300, bos_token_id: 0, pad_token_id: 1, eos_token_id: 2 });
    const tokenizer = await openTokenizer(at("pretrained", "checkpoint"));
    expect(tokenizer.size).toBeLessThanOrEqual(300);
    expect(tokenizer.decode(tokenizer.encode("the horse runs"))).toBe("the horse runs");
  });

  it("goes on where it was stopped, with the same tokenizer and to the same bits", async () => {
    const config = await pretraining();
    const whole = await run(config, at("whole"));
    const first = await run(config, at("parts"), { stopAfter: 2 });
    const rest = await run(config, at("parts"), { resume: true });
    expect([...first, ...rest]).toEqual(whole);
    for (const name of ["model.safetensors", "teacher.safetensors", "tokenizer.json"]) {
      expect(await readFile(at("parts", "checkpoint", name))).toEqual(await readFile(at("whole", "checkpoint", name)));
    }
  });

  it("hides tokens by <mask> and asks for those places; the teacher sees all", async () => {
    const config = await pretraining(["data.packing=eos"]);
    const feed = await text.openPretraining(at("corpus"), config, onSkip);
    const again = await text.openPretraining(at("corpus"), config, onSkip);
    const { mask } = (await openTokenizer(at("pretrained", "checkpoint"))).special;
    const read = async (batches: ReturnType<typeof feed.batches>, count: number) => {
      const seen: PreparedBatch<MaskedInput<TextInput>>[] = [];
      for await (const batch of batches) {
        seen.push(batch);
        if (seen.length === count) break;
      }
      return seen;
    };
    const batches = await read(feed.batches(0), 5);
    const later = await read(again.batches(3), 2);
    for (const [i, batch] of batches.entries()) {
      await device.scoped(async () => {
        const { input, masked, mask: positions, maskedRows } = batch.upload(device);
        const [clean, hidden, rows] = [await input.tokens.read(), await masked.tokens.read(), await maskedRows.read()];
        const asked = [...rows].filter((row) => row >= 0);
        expect(positions).toBeNull();
        expect(asked.length).toBe(batch.weight);
        expect(asked).toEqual([...hidden.keys()].filter((place) => hidden[place] !== clean[place]));
        expect(asked.every((row) => hidden[row] === mask)).toBe(true);
        expect(await masked.positions.read()).toEqual(await input.positions.read());
        if (i >= 3) expect(await later[i - 3].upload(device).masked.tokens.read()).toEqual(hidden);
      });
    }
    await feed.close();
    await again.close();
  });

  it("takes the tokenizer of data.tokenizer, and refuses one that doesn't fit", async () => {
    const folder = at("pretrained", "checkpoint");
    const feed = await text.openPretraining(at("corpus"), await pretraining([`data.tokenizer=${folder}`]), onSkip);
    expect(feed.companions!["tokenizer.json"]).toBe(await readFile(path.join(folder, "tokenizer.json"), "utf8"));
    await feed.close();
    const { size } = await openTokenizer(folder);
    const small = await pretraining([`data.tokenizer=${folder}`, "model.vocabSize=270"]);
    await expect(text.openPretraining(at("corpus"), small, onSkip)).rejects.toThrow(
      `${folder}: the tokenizer has ${size} tokens, model.vocabSize is 270\nset model.vocabSize=${size}`,
    );
    const padded = await pretraining([`data.tokenizer=${folder}`, "model.paddingId=0"]);
    await expect(text.openPretraining(at("corpus"), padded, onSkip)).rejects.toThrow("set model.paddingId=1");
  });
});

describe("fine-tuning on text", () => {
  it("learns classes with the tokenizer of the model, which travels on", async () => {
    const config = await finetuning(["train.steps=60", "train.learningRate=0.01"]);
    const accuracies: number[] = [];
    const options = { modality: text, config, model: at("pretrained"), data: at("kinds"), out: at("classifier"), device };
    for await (const { evaluation } of finetune(options)) if (evaluation !== null) accuracies.push(evaluation.metrics.accuracy);
    expect(accuracies).toEqual([1]);
    const read = (run: string) => readFile(at(run, "checkpoint", "tokenizer.json"), "utf8");
    expect(await read("classifier")).toBe(await read("pretrained"));
    const { config: loaded, outputs, task } = await text.loadModel(at("classifier", "checkpoint"));
    expect([task, outputs]).toEqual(["classify", ["animal", "plant"]]);
    const { metrics, parts } = await text.openEvaluation(at("kinds"), loaded, { task: "classify", outputs: outputs!, onSkip });
    expect([metrics, parts.map(({ name, feed }) => [name, feed.size])]).toEqual([null, [[null, 16]]]);
  });

  it("goes on without the model that it started from", async () => {
    await cp(at("pretrained"), at("passing"), { recursive: true });
    const config = await finetuning(["train.steps=3"]);
    const options = { modality: text, config, data: at("kinds"), out: at("goes-on"), device };
    for await (const { step } of finetune({ ...options, model: at("passing") })) if (step === 2) break;
    await rm(at("passing"), { recursive: true });
    const steps: number[] = [];
    for await (const { step } of finetune({ ...options, model: at("passing"), resume: true })) steps.push(step);
    expect(steps).toEqual([3]);
  });

  it("needs a tokenizer, and none that contradicts the model's", async () => {
    const labelled = { task: "classify", onSkip } as const;
    await expect(text.openLabelled(at("kinds"), await finetuning(), labelled)).rejects.toThrow("set it: --set data.tokenizer=FOLDER");
    const feed = await text.openPretraining(at("corpus"), await pretraining(["model.vocabSize=290"]), onSkip);
    await mkdir(at("other"));
    for (const [name, content] of Object.entries(feed.companions!)) await writeFile(at("other", name), content);
    await feed.close();
    const config = await finetuning([`data.tokenizer=${at("other")}`]);
    const model = at("pretrained", "checkpoint");
    await expect(text.openLabelled(at("kinds"), config, { ...labelled, model })).rejects.toThrow("encodes otherwise than the tokenizer");
  });

  const first = async <T>(batches: AsyncIterable<T>): Promise<T> => {
    for await (const batch of batches) return batch;
    throw new Error("no batch");
  };

  it("reads a folder named after a task of GLUE as that task: pairs, metrics, scores over their scale", async () => {
    const config = await finetuning([`data.tokenizer=${at("pretrained", "checkpoint")}`]);
    const data = await text.openLabelled(at("STS-B"), config, { task: "regress", onSkip });
    expect([data.outputs, data.metrics]).toEqual([["score"], ["pearson", "spearman"]]);
    const batch: LabelledBatch<TextInput> = await first(data.evaluation!.batches(0));
    expect(batch.expected).toEqual({ kind: "values", values: Float32Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? 0.9 : 0.2)) });
    await device.scoped(async () => {
      const { input, targets } = batch.upload(device);
      expect(targets.shape).toEqual([12, 1]);
      const tokens = [...(await input.tokens.read())].slice(0, input.tokens.shape[1]);
      expect(tokens.filter((id) => id === 2).length).toBe(3);
    });
    await expect(text.openLabelled(at("STS-B"), config, { task: "classify", onSkip })).rejects.toThrow(/expected classes .* got scores/);
    await expect(text.openLabelled(at("kinds"), config, { task: "regress", onSkip })).rejects.toThrow(/expected a number, got "animal"/);
    await expect(text.openLabelled(at("kinds"), config, { task: "ctc", onSkip })).rejects.toThrow("task ctc: expected classify or regress");
  });

  it("learns a value, and is judged by its correlations", async () => {
    const config = await finetuning(["train.steps=60", "train.learningRate=0.01"]);
    const options = {
      modality: text,
      task: "regress",
      config,
      model: at("pretrained"),
      data: at("STS-B"),
      out: at("values"),
      device,
    } as const;
    const metrics: Record<string, number>[] = [];
    for await (const { evaluation } of finetune(options)) if (evaluation !== null) metrics.push(evaluation.metrics);
    expect(Object.keys(metrics[0])).toEqual(expect.arrayContaining(["pearson", "spearman"]));
    expect(metrics[0].pearson).toBeGreaterThan(0.9);
    const { config: loaded, task, outputs, benchmark } = await text.loadModel(at("values", "checkpoint"));
    expect([task, outputs, benchmark]).toEqual(["regress", ["score"], "stsb"]);
    // In a folder of another name, the model says what its scores are.
    await cp(at("STS-B"), at("likeness"), { recursive: true });
    const judging = { task: "regress", outputs: outputs!, onSkip } as const;
    for (const [own, scale] of [
      ["stsb", 5],
      [null, 1],
    ] as const) {
      const { metrics, parts } = await text.openEvaluation(at("likeness"), loaded, { ...judging, benchmark: own });
      expect(metrics).toEqual(own === null ? null : ["pearson", "spearman"]);
      const { expected } = (await first(parts[0].feed.batches(0))) as LabelledBatch<TextInput>;
      expect(expected).toEqual({ kind: "values", values: Float32Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? 4.5 : 1) / scale) });
    }
  });

  it("draws subsets: balanced over classes, any of scores, nested, and holds out", async () => {
    const config = await finetuning([`data.tokenizer=${at("pretrained", "checkpoint")}`]);
    const few = await text.openLabelled(at("kinds"), config, { task: "classify", labels: 6, onSkip });
    const batch: LabelledBatch<TextInput> = await first(few.plain.batches(0));
    expect(batch.expected.kind === "classes" && [...batch.expected.labels].sort()).toEqual([0, 0, 0, 1, 1, 1]);
    const names = async (labels: number) =>
      (await first((await text.openLabelled(at("STS-B"), config, { task: "regress", labels, onSkip })).plain.batches(0))).names;
    expect(await names(8)).toEqual(expect.arrayContaining([...(await names(3))]));
    await expect(names(13)).rejects.toThrow("13 labels were asked for");
    const held = await text.openLabelled(at("kinds"), config, { task: "classify", holdOut: 0.25, onSkip });
    expect(held.train.size + held.evaluation!.size).toBe(40);
  });
});

describe("files of text", () => {
  it("gives a sample a line, named by file and line; a tab parts two texts", async () => {
    await writeFile(at("a.txt"), "the cat runs\n\na rose grows\tthe oak grows\n");
    await writeFile(at("b.txt"), "the dog eats\n");
    const { config } = await text.loadModel(at("pretrained", "checkpoint"));
    const batches: PreparedBatch<TextInput>[] = [];
    for await (const batch of text.openFiles([at("a.txt"), at("b.txt")], config)) batches.push(batch);
    expect(batches.map(({ names }) => names)).toEqual([[`${at("a.txt")}:1`, `${at("a.txt")}:3`, `${at("b.txt")}:1`]]);
    await device.scoped(async () => {
      const { tokens, lengths } = batches[0].upload(device);
      const [ids, ends] = [await tokens.read(), (await lengths!.read()) as Int32Array];
      const row = (i: number) => [...ids.slice(i * tokens.shape[1], i * tokens.shape[1] + ends[i])];
      const { encode } = await openTokenizer(at("pretrained", "checkpoint")).then((own) => ({
        encode: (line: string) => own.encode(line),
      }));
      expect(row(0)).toEqual([0, ...encode("the cat runs"), 2]);
      expect(row(1)).toEqual([0, ...encode("a rose grows"), 2, 2, ...encode("the oak grows"), 2]);
    });
    await writeFile(at("c.txt"), "one\ttwo\tthree\n");
    const reading = async () => {
      for await (const _ of text.openFiles([at("c.txt")], config)) return;
    };
    await expect(reading()).rejects.toThrow(`${at("c.txt")}:1: expected a text, or two with a tab between them, got 3`);
    const { tokenizer, ...data } = config.data;
    expect(tokenizer).toBe(at("pretrained", "checkpoint"));
    const without = { ...config, data: { ...data, tokenizer: null } };
    await expect(text.openFiles(["d.txt"], without)[Symbol.asyncIterator]().next()).rejects.toThrow("expected the folder of a tokenizer");
  });
});
