/** Generated clips as WAV files, and a small model that hears them. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { Philox } from "../../src/backend/philox.js";
import type { TrainConfig } from "../../src/config/train.js";
import type { Stage } from "../../src/modalities/modality.js";
import type { SpeechConfig, SpeechDataConfig, SpeechModelConfig } from "../../src/modalities/speech/config.js";
import { speechPresets } from "../../src/modalities/speech/presets.js";

const RATE = 16_000;

/** A tone in noise; its pitch tells the class. */
export function drawClip(label: number, samples: number, random: Philox): Float32Array {
  const step = (2 * Math.PI * 300 * (label + 1)) / RATE;
  return Float32Array.from({ length: samples }, (_, i) => 0.5 * Math.sin(step * i) + 0.05 * random.normal());
}

/** A file of 16-bit samples, one channel. */
export function wav(samples: Float32Array): Buffer {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + 2 * samples.length, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(2 * RATE, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(2 * samples.length, 40);
  return Buffer.concat([
    header,
    Buffer.from(Int16Array.from(samples, (value) => Math.round(32767 * Math.max(-1, Math.min(1, value)))).buffer),
  ]);
}

/** Clips of 0.26 to 0.4 s in a folder a class, below `train` and `test`; a table with transcripts lies beside them. */
export async function writeClips(folder: string, { train = 12, test = 6, classes = 2 } = {}): Promise<string> {
  for (const [split, count] of [["train", train] as const, ["test", test] as const]) {
    const random = new Philox(2, split);
    const lines = ["path,text"];
    for (let i = 0; i < count; i++) {
      const label = i % classes;
      const file = path.join("clips", split, `tone${label}`, `${i}.wav`);
      await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
      await writeFile(path.join(folder, file), wav(drawClip(label, 4200 + random.int(2200), random)));
      lines.push(`../${file},${["la", "di du"][label]}`);
    }
    await mkdir(path.join(folder, "tables"), { recursive: true });
    await writeFile(path.join(folder, "tables", `${split}.csv`), `${lines.join("\n")}\n`);
  }
  return folder;
}

/** What a test changes of a configuration. */
export interface Changes {
  model?: Partial<SpeechModelConfig>;
  data?: Partial<SpeechDataConfig>;
  train?: Partial<TrainConfig>;
}

/** A model of some thousand parameters with every kind of randomness switched on. */
export function smallConfig(stage: Stage, { model, data, train }: Changes = {}): SpeechConfig {
  const preset = speechPresets[stage].tiny;
  return {
    model: {
      ...preset.model,
      convDims: [8, 8, 8, 8, 8, 8, 8],
      dim: 16,
      depth: 2,
      heads: 2,
      mlpRatio: 2,
      posConvLayers: 2,
      posConvKernel: 5,
      posConvGroups: 4,
      classifierDim: 8,
      averageTopKLayers: 2,
      dropout: 0.1,
      attentionDropout: 0.1,
      activationDropout: 0.1,
      featureDropout: 0.1,
      finalDropout: 0.1,
      layerDrop: 0.1,
      channelMaskProb: stage === "finetune" ? 0.2 : 0,
      channelMaskLength: 4,
      ...model,
    },
    data: { ...preset.data, letterCase: "lower", workers: 0, ...data },
    train: {
      ...preset.train,
      steps: 6,
      batchSize: 4,
      learningRate: 1e-3,
      warmupSteps: 1,
      saveEvery: 1000,
      logEvery: 1,
      evaluateEvery: 0,
      keepBest: false,
      ...train,
    },
  };
}
