/** A pretraining run of each modality that takes seconds under emulation: data it generates, and a model of some thousand parameters. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { Philox } from "../../src/backend/philox.js";
import type { TrainConfig } from "../../src/config/train.js";
import { speech } from "../../src/modalities/speech/speech.js";
import { text } from "../../src/modalities/text/text.js";
import type { Device } from "../../src/tensor/device.js";
import { loadConfig } from "../../src/train/config.js";
import { pretrain } from "../../src/train/pretrain.js";
import { smallConfig as speechConfig, writeClips } from "../modalities/speech-clips.js";
import { metricsOf, runPretraining, smallConfig, writeIdx } from "./small-run.js";

/** What a run is given beside its device: its folder, and settings of training. */
export interface SmallRun {
  out: string;
  train: Partial<TrainConfig>;
}

/** Trains on a device; returns the lines of its metrics without the speeds. */
export type RunSmall = (device: Device, run: SmallRun) => Promise<Record<string, number>[]>;

/** Frames of a long step at once: the convolutions of the presets take minutes under emulation. */
export const FEW_FRAMES = { convDims: [8, 8], convKernels: [320, 2], convStrides: [320, 1], posConvLayers: 1, posConvGroups: 2 };

const TEXT = {
  "model.vocabSize": 280,
  "model.maxPositions": 32,
  "model.dim": 16,
  "model.depth": 2,
  "model.heads": 2,
  "model.averageTopKLayers": 2,
  "data.tokensPerSample": 32,
  "train.batchSize": 4,
  "train.logEvery": 1,
};

/** The runs by modality, on data that are written to `folder`. */
export function smallPretrainings(folder: string): Record<"vision" | "speech" | "text", RunSmall> {
  return {
    vision: async (device, { out, train }) => {
      const data = await writeIdx(path.join(folder, "images"));
      await runPretraining({ device, config: smallConfig("pretrain", { train }), data, out });
      return metricsOf(out);
    },
    speech: async (device, { out, train }) => {
      const data = await writeClips(path.join(folder, "clips"));
      const model = { ...FEW_FRAMES, maskLength: 3 };
      const config = speechConfig("pretrain", { model, data: { batchSeconds: 1.6, joinSeconds: 0.4, maxSeconds: 0.4 }, train });
      await drain(pretrain({ modality: speech, device, config, data, out }));
      return metricsOf(out);
    },
    text: async (device, { out, train }) => {
      const data = path.join(folder, "corpus.txt");
      const random = new Philox(1, "corpus");
      const line = () => Array.from({ length: 12 }, () => ["the", "cat", "sees", "a", "moss", "grows"][random.int(6)]).join(" ");
      await writeFile(data, Array.from({ length: 60 }, line).join("\n"));
      const settings = { ...TEXT, ...Object.fromEntries(Object.entries(train).map(([key, value]) => [`train.${key}`, value])) };
      const set = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
      const config = await loadConfig(text, "pretrain", { preset: "tiny", set });
      await drain(pretrain({ modality: text, device, config, data, out }));
      return metricsOf(out);
    },
  };
}

async function drain(reports: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of reports);
}
