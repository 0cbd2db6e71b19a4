// One job of the experiment in a process of its own: node jobs.mjs '{"type": ..., ...}' prints one JSON line.
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  accuracy,
  encoderFeatures,
  finetune,
  fitLinearProbe,
  inputFeatures,
  loadConfig,
  loadModel,
  nearestNeighbours,
  openDevice,
  pretrain,
  speech,
  text,
  vision,
} from "data2vec";
import { dataOf, EXPERIMENTS } from "./experiments.mjs";
import { logMelFeatures } from "./log-mel.mjs";

const NEIGHBOURS = 10;
const PROBE_DECAYS = [0.001, 0.03, 1];

const MODALITIES = { vision, speech, text };
/** What a linear classifier gets without a network. */
const rawFeatures = { vision: inputFeatures, speech: logMelFeatures };
const job = JSON.parse(process.argv[2]);
const modality = MODALITIES[EXPERIMENTS[job.experiment].modality];
const data = dataOf(job);

const jobs = {
  /** Pretrains on all training data without labels; `out` holds the run. */
  async pretrain(device, { seed, steps, out, set = [] }) {
    const config = await loadConfig(modality, "pretrain", {
      set: [`train.steps=${steps}`, `train.seed=${seed}`, "train.saveEvery=1000", "train.logEvery=50", ...set],
    });
    let last = { metrics: {}, samplesPerSecond: null };
    const resume = existsSync(path.join(out, "config.yaml"));
    for await (const report of pretrain({ modality, config, data, out, device, resume })) {
      last = report;
      if (report.step % 200 === 0)
        process.stderr.write(`seed ${seed}: ${report.step} of ${steps}, ${report.samplesPerSecond.toFixed(0)} samples/s\n`);
    }
    return { metrics: last.metrics, samplesPerSecond: last.samplesPerSecond };
  },

  /** Fine-tunes (or, without a model, trains from scratch) on `labels` labels; judged on the test set, or on a part held out. */
  async finetune(device, { seed, labels, model = null, freshWeights = false, learningRate, steps, holdOut, set = [] }) {
    const config = await loadConfig(modality, "finetune", {
      set: [
        `train.steps=${steps}`,
        `train.learningRate=${learningRate}`,
        `train.seed=${seed}`,
        "train.evaluateEvery=0",
        "train.keepBest=false",
        "train.saveEvery=1000000",
        ...set,
      ],
    });
    const out = await mkdtemp(path.join(tmpdir(), "label-efficiency-"));
    try {
      let evaluation = null;
      const run = { modality, config, model, freshWeights, data, out: path.join(out, "run"), device, labels, holdOut };
      for await (const report of finetune(run)) evaluation = report.evaluation;
      return { accuracy: evaluation.metrics.accuracy };
    } finally {
      await rm(out, { recursive: true, force: true });
    }
  },

  /** Frozen features (of a model, or without one the raw inputs) under a linear classifier and under k nearest neighbours. */
  async probe(device, { seed, labels, model = null }) {
    const base = await loadConfig(modality, "finetune", { set: [`train.seed=${seed}`] });
    const loaded = model === null ? null : await loadModel(device, modality, model);
    const config = loaded === null ? base : { ...base, ...loaded.config, train: base.train };
    const features = (feed) =>
      loaded === null ? rawFeatures[modality.name](device, feed) : encoderFeatures(device, loaded.model.encoder, feed);
    const read = async (holdOut) => {
      const { plain, evaluation } = await modality.openLabelled(data, config, { task: "classify", labels, holdOut, onSkip: () => {} });
      return { known: await features(plain), judged: await features(evaluation) };
    };
    const linear = async ({ known, judged }, weightDecay) => {
      const probe = await fitLinearProbe(device, known, { steps: 300, learningRate: 0.03, weightDecay });
      const predicted = await probe.predict(judged.features);
      probe.release();
      return accuracy(predicted, judged.labels);
    };
    // The weight decay of the linear classifier is chosen on a fifth of the labels.
    const tuning = await read(0.2);
    let best = { accuracy: -1, weightDecay: 0 };
    for (const weightDecay of PROBE_DECAYS) {
      const reached = await linear(tuning, weightDecay);
      if (reached > best.accuracy) best = { accuracy: reached, weightDecay };
    }
    const final = await read();
    const neighbours = await nearestNeighbours(device, final.known, final.judged.features, NEIGHBOURS);
    return {
      linear: await linear(final, best.weightDecay),
      knn: accuracy(neighbours, final.judged.labels),
      weightDecay: best.weightDecay,
    };
  },
};

const device = await openDevice("auto", { threads: job.threads });
const result = await jobs[job.type](device, job);
process.stdout.write(`${JSON.stringify(result)}\n`);
device.close();
