// What the experiment runs for each modality: data, numbers of labels, and the settings that each side may choose from.
import { fileURLToPath } from "node:url";

const data = (folder) => fileURLToPath(new URL(`../data/${folder}`, import.meta.url));

export const EXPERIMENTS = {
  vision: {
    /** Unlabelled data to pretrain on, and labelled data. */
    pretraining: data("fashion-mnist"),
    labelled: data("fashion-mnist"),
    /** What the raw inputs are called, where they have one size and so can be classified as they are. */
    raw: "pixels",
    labels: [100, 500, 1000],
    /** Further number of labels that only frozen features are judged with. */
    manyLabels: 5000,
    steps: 6000,
    set: ["train.batchSize=32"],
    /** On held-out labels each side chooses from these. Scratch learns little in 300 steps, so it always gets more. */
    grid: {
      scratch: [
        { learningRate: 1e-3, steps: 1000 },
        { learningRate: 3e-3, steps: 1000 },
        { learningRate: 1e-3, steps: 3000 },
        { learningRate: 3e-3, steps: 3000 },
      ],
      pretrained: [
        { learningRate: 5e-4, steps: 300 },
        { learningRate: 2e-3, steps: 300 },
        { learningRate: 5e-4, steps: 800 },
        { learningRate: 2e-3, steps: 800 },
      ],
    },
  },
  speech: {
    pretraining: data("gcin-voice/train"),
    labelled: data("gcin-voice"),
    raw: null,
    labels: [100, 300],
    manyLabels: null,
    steps: 3000,
    set: ["train.batchSize=32"],
    grid: {
      scratch: [
        { learningRate: 5e-4, steps: 800 },
        { learningRate: 2e-3, steps: 800 },
      ],
      pretrained: [
        { learningRate: 5e-4, steps: 300 },
        { learningRate: 2e-3, steps: 300 },
        { learningRate: 5e-4, steps: 800 },
      ],
    },
  },
  text: {
    pretraining: data("wordnet"),
    labelled: data("wordnet"),
    raw: null,
    labels: [100, 500],
    manyLabels: null,
    steps: 4000,
    set: ["train.batchSize=32"],
    grid: {
      scratch: [
        { learningRate: 5e-4, steps: 600 },
        { learningRate: 2e-3, steps: 600 },
      ],
      pretrained: [
        { learningRate: 5e-4, steps: 300 },
        { learningRate: 2e-3, steps: 300 },
        { learningRate: 5e-4, steps: 600 },
      ],
    },
  },
};
