/** Training on an engine that records its steps and replays them gives the same bits as training that doesn't. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.js";
import { Philox } from "../../src/backend/philox.js";
import { speech } from "../../src/modalities/speech/speech.js";
import { text } from "../../src/modalities/text/text.js";
import { Device } from "../../src/tensor/device.js";
import { loadConfig } from "../../src/train/config.js";
import { pretrain } from "../../src/train/pretrain.js";
import { smallConfig as speechConfig, writeClips } from "../modalities/speech-clips.js";
import { cudaEngines } from "../ops/engines.js";
import { metricsOf, runFinetuning, runPretraining, smallConfig, temporaryFolder, writeIdx } from "./small-run.js";

const folder = await temporaryFolder();
const data = await writeIdx(path.join(folder, "data"));

const SMALL_TEXT = [
  "model.vocabSize=280",
  "model.maxPositions=32",
  "model.dim=16",
  "model.depth=2",
  "model.heads=2",
  "model.averageTopKLayers=2",
  "data.tokensPerSample=32",
  "train.batchSize=4",
  "train.logEvery=1",
  "train.steps=3",
];

async function drain(reports: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of reports);
}

/** Runs on an engine; counts the replays. */
async function run(backend: Backend, name: string, captured: boolean, start: (device: Device, out: string) => Promise<unknown>) {
  let replays = 0;
  const { capture } = backend;
  const counting: typeof capture = (body, keyOf) => {
    let ran = false;
    const wrapped = capture((...args) => {
      ran = true;
      body(...args);
    }, keyOf);
    return (...args) => {
      ran = false;
      wrapped(...args);
      if (!ran) replays++;
    };
  };
  using device = new Device({ ...backend, capture: captured ? counting : (body) => body });
  const out = path.join(folder, name);
  await start(device, out);
  return { metrics: await metricsOf(out), replays };
}

if (cudaEngines.length === 0) it.skip("no engine that records steps is here: npm run build:emulated", () => {});

describe.each(cudaEngines)("captured training on $name", ({ name, open }) => {
  it("of pretraining", { timeout: 120_000 }, async () => {
    const config = smallConfig("pretrain", { train: { steps: 3, accumulate: 2 } });
    const start = (device: Device, out: string) => runPretraining({ device, config, data, out });
    const captured = await run(open(), `${name} pretrain-captured`, true, start);
    const eager = await run(open(), `${name} pretrain-eager`, false, start);
    expect(captured.metrics).toEqual(eager.metrics);
    expect(captured.replays).toBeGreaterThan(4);
  });

  // Minutes under emulation: seven convolutions over samples.
  it.skipIf(name === "cuda emulated")("of pretraining on speech", { timeout: 240_000 }, async () => {
    const clips = await writeClips(path.join(folder, `${name} clips`));
    const config = speechConfig("pretrain", { train: { steps: 3 } });
    const start = (device: Device, out: string) => drain(pretrain({ modality: speech, device, config, data: clips, out }));
    const captured = await run(open(), `${name} speech-captured`, true, start);
    const eager = await run(open(), `${name} speech-eager`, false, start);
    expect(captured.metrics).toEqual(eager.metrics);
    expect(captured.replays).toBeGreaterThan(1);
  });

  it("of pretraining on text", { timeout: 120_000 }, async () => {
    const corpus = path.join(folder, `${name}.txt`);
    const random = new Philox(1, "corpus");
    const line = () => Array.from({ length: 12 }, () => ["the", "cat", "sees", "a", "moss", "grows"][random.int(6)]).join(" ");
    await writeFile(corpus, Array.from({ length: 60 }, line).join("\n"));
    const config = await loadConfig(text, "pretrain", { preset: "tiny", set: SMALL_TEXT });
    const start = (device: Device, out: string) => drain(pretrain({ modality: text, device, config, data: corpus, out }));
    const captured = await run(open(), `${name} text-captured`, true, start);
    const eager = await run(open(), `${name} text-eager`, false, start);
    expect(captured.metrics).toEqual(eager.metrics);
    // Batches hide different numbers of tokens, so that only the update is one shape.
    expect(captured.replays).toBeGreaterThan(0);
  });

  it("of fine-tuning that begins with the head alone", { timeout: 120_000 }, async () => {
    const config = smallConfig("finetune", { train: { steps: 6, freezeSteps: 3 } });
    const start = (device: Device, out: string) => runFinetuning({ device, config, data, out });
    const captured = await run(open(), `${name} finetune-captured`, true, start);
    const eager = await run(open(), `${name} finetune-eager`, false, start);
    expect(captured.metrics).toEqual(eager.metrics);
    expect(captured.replays).toBeGreaterThan(1);
  });
});
