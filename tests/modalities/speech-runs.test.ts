import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { LabelledBatch } from "../../src/modalities/modality.js";
import type { PreparedBatch } from "../../src/modalities/prepared-batch.js";
import { openClipFiles, openJudgedClips, openLabelledClips, openMaskedClips } from "../../src/modalities/speech/data.js";
import type { SpeechInput } from "../../src/modalities/speech/input.js";
import { speech } from "../../src/modalities/speech/speech.js";
import { evaluate } from "../../src/tasks/evaluate.js";
import { loadModel } from "../../src/tasks/load-model.js";
import { taskKind } from "../../src/tasks/task-kinds.js";
import type { Device } from "../../src/tensor/device.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { finetune } from "../../src/train/finetune.js";
import { pretrain } from "../../src/train/pretrain.js";
import { metricsOf, openDevice, resultOf, temporaryFolder } from "../train/small-run.js";
import { drawClip, smallConfig, wav, writeClips } from "./speech-clips.js";

const root = await temporaryFolder();
const clips = path.join(root, "clips");
const tables = path.join(root, "tables");
beforeAll(() => writeClips(root));

const refuse = (skipped: { name: string; error: string }) => {
  throw new Error(`${skipped.name}: ${skipped.error}`);
};

async function take<B>(batches: AsyncIterable<B>, count: number): Promise<B[]> {
  const all: B[] = [];
  for await (const batch of batches) if (all.push(batch) === count) break;
  return all;
}

const read = async (tensor: Tensor | null) => (tensor === null ? null : { shape: [...tensor.shape], values: await tensor.read() });

/** What a batch puts on the device. */
const uploaded = async <T extends object>(device: Device, batch: PreparedBatch<T>) =>
  device.scoped(async () => {
    const entries: [string, unknown][] = [];
    for (const [key, value] of Object.entries(batch.upload(device))) {
      if (key === "masked") continue;
      if (key !== "input") entries.push([key, await read(value)]);
      else for (const [part, tensor] of Object.entries(value as SpeechInput)) entries.push([part, await read(tensor)]);
    }
    return Object.fromEntries(entries) as Record<string, { shape: number[]; values: Float32Array } | null>;
  });

async function runPretraining(out: string, options: { steps?: number; resume?: boolean; stop?: number; threads?: number } = {}) {
  using device = openDevice(options.threads);
  const config = smallConfig("pretrain", { train: { steps: 6 } });
  const controller = new AbortController();
  const run = pretrain({ modality: speech, config, data: clips, out, device, resume: options.resume, signal: controller.signal });
  for await (const { step } of run) if (step === options.stop) controller.abort();
  return resultOf(out);
}

describe("pretraining on speech", () => {
  it("gives the same bits whatever the threads, and after an interruption", async () => {
    const whole = await runPretraining(path.join(root, "whole"));
    expect(await runPretraining(path.join(root, "threads"), { threads: 3 })).toEqual(whole);
    const out = path.join(root, "resumed");
    await runPretraining(out, { stop: 3 });
    expect(await runPretraining(out, { resume: true })).toEqual(whole);
    const losses = (await metricsOf(out)).map(({ loss }) => loss);
    expect(losses).toHaveLength(6);
    expect(losses.every(Number.isFinite)).toBe(true);
  }, 60_000);

  it("feeds crops of one length with as many masked frames in each, the last never", async () => {
    using device = openDevice();
    const feed = await openMaskedClips(clips, smallConfig("pretrain"), refuse);
    expect([feed.size, feed.batchesPerEpoch]).toEqual([12, 3]);
    for (const batch of await take(feed.batches(0), 4)) {
      const { waveform, lengths, padding, mask, maskedRows, channelMask } = await uploaded(device, batch);
      expect([lengths, padding, channelMask]).toEqual([null, null, null]);
      const [size, frames] = mask!.shape;
      expect(waveform!.shape[0]).toBe(size);
      const counts = Array.from({ length: size }, (_, row) => {
        const values = [...mask!.values.slice(row * frames, (row + 1) * frames)];
        expect(values.at(-1)).toBe(0);
        return values.filter((flag) => flag === 1).length;
      });
      expect(new Set(counts).size).toBe(1);
      expect(batch.weight).toBe(size * counts[0]);
      const rows = [...mask!.values.keys()].filter((row) => mask!.values[row] === 1);
      // Filled up to a multiple of 16.
      expect([...maskedRows!.values]).toEqual([...rows, ...Array(-rows.length & 15).fill(-1)]);
    }
    const [first, again] = [
      await take(feed.batches(2), 1),
      await take((await openMaskedClips(clips, smallConfig("pretrain"), refuse)).batches(2), 1),
    ];
    expect(await uploaded(device, again[0])).toEqual(await uploaded(device, first[0]));
  });

  it("tells of clips that are too short", async () => {
    const told: { name: string; error: string }[] = [];
    const config = smallConfig("pretrain", { data: { minSeconds: 0.33 } });
    const feed = await openMaskedClips(clips, config, (skipped) => told.push(skipped));
    expect(feed.size).toBeLessThan(12);
    expect(told).toEqual([{ name: clips, error: `${12 - feed.size} clips are shorter than data.minSeconds (0.33) and left out` }]);
  });
});

describe("fine-tuning on speech", () => {
  it("learns classes from a pretrained model, and is judged and loaded", async () => {
    const model = path.join(root, "pretrained");
    await runPretraining(model);
    using device = openDevice();
    const config = smallConfig("finetune", { train: { steps: 8 } });
    const out = path.join(root, "classify");
    const reports = [];
    for await (const report of finetune({ modality: speech, config, model, data: clips, out, device })) reports.push(report);
    const { evaluation } = reports.at(-1)!;
    expect(evaluation).toMatchObject({ samples: 6, score: { name: "accuracy" } });
    const loaded = await loadModel(device, speech, out);
    expect([loaded.task, loaded.outputs]).toEqual(["classify", ["tone0", "tone1"]]);
    const feed = await openJudgedClips(clips, loaded.config, { task: "classify", outputs: loaded.outputs!, onSkip: refuse });
    const judged = await evaluate(loaded.model, feed.parts[0].feed, { kind: taskKind("classify", loaded.outputs!), metrics: null });
    expect(judged).toEqual(evaluation);
  }, 60_000);

  it("learns symbols from transcripts, and writes them", async () => {
    using device = openDevice();
    const config = smallConfig("finetune", { model: { maskProb: 0, channelMaskProb: 0 }, train: { steps: 6 } });
    const out = path.join(root, "ctc");
    const reports = [];
    for await (const report of finetune({ modality: speech, task: "ctc", config, model: null, data: tables, out, device }))
      reports.push(report);
    expect(reports.at(-1)!.metrics.loss).toBeLessThan(reports[0].metrics.loss);
    expect(reports.at(-1)!.evaluation).toMatchObject({
      samples: 6,
      score: { name: "wer" },
      expected: ["la", "di du", "la", "di du", "la", "di du"],
    });
    const { outputs, task, notes } = await speech.loadModel(path.join(out, "checkpoint"));
    expect([task, outputs, notes]).toEqual(["ctc", ["<pad>", "|", "a", "d", "i", "l", "u"], []]);
    const vocabulary = JSON.parse(await readFile(path.join(out, "checkpoint", "vocab.json"), "utf8"));
    expect(vocabulary).toEqual({ "<pad>": 0, "|": 1, a: 2, d: 3, i: 4, l: 5, u: 6 });
  }, 60_000);

  it("pads clips, hides frames and channels in training alone, and spells transcripts with a boundary at the end", async () => {
    using device = openDevice();
    const config = smallConfig("finetune");
    const data = await openLabelledClips(tables, config, { task: "ctc", onSkip: refuse });
    const symbols = [...data.outputs];
    const [batch] = await take(data.train.batches(0), 1);
    const { lengths, padding, mask, channelMask, targets, targetLengths } = await uploaded(device, batch);
    expect(channelMask!.shape).toEqual([4, 16]);
    expect(mask!.shape).toEqual(padding!.shape);
    const frames = mask!.shape[1];
    for (const [row, length] of [...lengths!.values].entries()) {
      const part = (tensor: { values: Float32Array }) => [...tensor.values.slice(row * frames, (row + 1) * frames)];
      expect(part(padding!)).toEqual(Array.from({ length: frames }, (_, frame) => (frame < length ? 0 : 1)));
      expect(
        part(mask!)
          .slice(length - 1)
          .every((flag) => flag === 0),
      ).toBe(true);
      const width = targets!.shape[1];
      const text = [...targets!.values.slice(row * width, row * width + targetLengths!.values[row])].map((id) => symbols[id]).join("");
      expect(["la|", "di|du|"]).toContain(text);
    }
    const [plain] = (await take(data.evaluation!.batches(0), 1)) as LabelledBatch<SpeechInput>[];
    const judged = await uploaded(device, plain);
    expect([judged.mask, judged.channelMask]).toEqual([null, null]);
    expect(plain.expected).toEqual({ kind: "transcripts", texts: ["la", "di du", "la", "di du", "la", "di du"] });
  });

  it("takes the symbols of the published models, and refuses characters that they lack", async () => {
    const config = smallConfig("finetune", { data: { vocabulary: "published", letterCase: "upper" } });
    const data = await openLabelledClips(tables, config, { task: "ctc", labels: 5, onSkip: refuse });
    expect([data.outputs.length, data.train.size]).toEqual([32, 5]);
    const other = path.join(root, "tables", "other.csv");
    await writeFile(other, "path,text\n../clips/train/tone0/0.wav,là\n");
    const message = '../clips/train/tone0/0.wav: "là": the vocabulary (data.vocabulary=published) lacks "À"';
    await expect(openLabelledClips(other, config, { task: "ctc", onSkip: refuse })).rejects.toThrow(message);
  });

  it("wants classes, or transcripts", async () => {
    await expect(openLabelledClips(tables, smallConfig("finetune"), { task: "classify", onSkip: refuse })).rejects.toThrow(/has no labels/);
    await expect(openLabelledClips(clips, smallConfig("finetune"), { task: "ctc", onSkip: refuse })).rejects.toThrow(/has no transcript/);
    expect(() => speech.createHead(smallConfig("finetune"), "regress", 1)).toThrow("speech: task regress isn't supported");
  });
});

describe("clips from files", () => {
  it("come whole and padded, as many at once as there is room for", async () => {
    using device = openDevice();
    const files = [0, 2, 4].map((i) => path.join(clips, "train", "tone0", `${i}.wav`));
    const config = smallConfig("finetune", { data: { maxSeconds: 0.5, batchSeconds: 0.85 } });
    const batches = await take(openClipFiles(files, config), 9);
    expect(batches.map(({ names }) => names)).toEqual([files.slice(0, 2), files.slice(2)]);
    const { waveform } = await uploaded(device, batches[0]);
    const row = waveform!.values.subarray(0, 4000);
    expect(Math.abs(row.reduce((sum, value) => sum + value, 0) / 4000)).toBeLessThan(0.05);
  });

  it("name the file that can't be read", async () => {
    await expect(take(openClipFiles(["nowhere.wav"], smallConfig("finetune")), 1)).rejects.toThrow("nowhere.wav: no such file");
    const short = path.join(root, "short.wav");
    await writeFile(short, wav(drawClip(0, 300, { normal: () => 0 } as never)));
    await expect(take(openClipFiles([short], smallConfig("finetune")), 1)).rejects.toThrow(/short.wav: too short: 300 samples/);
  });
});
