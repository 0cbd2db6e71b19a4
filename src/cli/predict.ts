/** `data2vec predict`: the likeliest classes of files. */
import type { Command } from "commander";
import { loadModel } from "../tasks/load-model.js";
import { predict } from "../tasks/predict.js";
import { UsageError } from "./failure.js";
import { modalityOfModel } from "./modalities.js";
import { type DeviceOptions, integer, needed, openDevice, withDevice, withJson } from "./options.js";
import { formatPercent, print } from "./terminal.js";

interface Options extends DeviceOptions {
  model?: string;
  top: number;
  json: boolean;
}

/** Adds arguments, flags and help to the command. */
export function define(command: Command): void {
  command
    .argument("<file...>", "files to classify, such as JPEG, PNG or WebP images")
    .option("--model <folder>", "a fine-tuned run, or a folder as Hugging Face saves it")
    .option("--top <count>", "classes to show of each file", integer(1, 1e6), 5);
  withJson(withDevice(command))
    .addHelpText(
      "after",
      `
Examples:
  data2vec predict --model runs/classifier cat.jpg dog.jpg
  data2vec predict --model runs/classifier --top 1 --json photos/*.jpg

With --json: {"predictions": [{"file", "classes": [{"name", "label", "probability"}]}]}, the likeliest class first.`,
    )
    .action(run);
}

async function run(files: string[], options: Options): Promise<void> {
  const path = needed(options.model, "--model FOLDER", "a fine-tuned model");
  const modality = await modalityOfModel(path);
  const device = await openDevice(options);
  try {
    const { model, config, outputs: classes } = await loadModel(device, modality, path);
    if (classes === null) throw new UsageError(`${path}: has no classifier\nfine-tune it first: data2vec finetune classify`);
    const predictions = [];
    for await (const { name, classes: ranked } of predict(model, modality.openFiles(files, config))) {
      const top = ranked.slice(0, options.top).map(({ label, probability }) => ({ name: classes[label], label, probability }));
      if (options.json) predictions.push({ file: name, classes: top });
      else print(`${name}: ${top.map(({ name, probability }) => `${name} ${formatPercent(probability)}`).join(", ")}`);
    }
    if (options.json) print(JSON.stringify({ predictions }));
  } finally {
    device.close();
  }
}
