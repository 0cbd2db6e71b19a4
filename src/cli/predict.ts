/** `data2vec predict`: what a fine-tuned model says of files: classes, a value, a transcript. */
import type { Command } from "commander";
import { loadModel } from "../tasks/load-model.js";
import { predict } from "../tasks/predict.js";
import type { Reading } from "../tasks/task-kind.js";
import { taskKind } from "../tasks/task-kinds.js";
import { readSearch, SEARCH_HELP, type SearchOptions, withSearch } from "./ctc.js";
import { UsageError } from "./failure.js";
import { modalityOfModel } from "./modalities.js";
import { type DeviceOptions, integer, needed, openDevice, withDevice, withJson } from "./options.js";
import { formatPercent, print } from "./terminal.js";

interface Options extends DeviceOptions, SearchOptions {
  model?: string;
  top: number;
  json: boolean;
}

/** Adds arguments, flags and help to the command. */
export function define(command: Command): void {
  command
    .argument("<file...>", "images (JPEG, PNG, WebP), clips (WAV, FLAC, Ogg, MP3) or texts (a line each), as the model takes")
    .option("--model <folder>", "a fine-tuned run, or a folder as Hugging Face saves it")
    .option("--top <count>", "classes to show of each file", integer(1, 1e6), 5);
  withJson(withDevice(withSearch(command)))
    .addHelpText(
      "after",
      `
Examples:
  data2vec predict --model runs/classifier cat.jpg dog.jpg
  data2vec predict --model runs/classifier --top 1 --json photos/*.jpg

With --json: {"predictions": [{"file", ...}]} with "classes": [{"name", "label", "probability"}], the likeliest first; or the value by its
name; or "text" and "words": [{"word", "start", "end"}] in seconds.${SEARCH_HELP}`,
    )
    .action(run);
}

async function run(files: string[], options: Options): Promise<void> {
  const path = needed(options.model, "--model FOLDER", "a fine-tuned model");
  const modality = await modalityOfModel(path);
  const device = await openDevice(options);
  try {
    const { model, config, task, outputs } = await loadModel(device, modality, path);
    if (task === null || outputs === null) {
      throw new UsageError(`${path}: has no head for a task\nfine-tune it first: data2vec finetune`);
    }
    const search = await readSearch(options, task, outputs);
    const seconds = modality.positionSeconds?.(config) ?? null;
    const predictions = [];
    for await (const { name: file, ...reading } of predict(model, taskKind(task, outputs, { search }), modality.openFiles(files, config))) {
      const told = describe(reading, outputs, options.top, seconds);
      if (options.json) predictions.push({ file, ...told.json });
      else print(`${file}: ${told.text}`);
    }
    if (options.json) print(JSON.stringify({ predictions }));
  } finally {
    device.close();
  }
}

/** A reading for people and for programs; `seconds` is the length of a position where inputs have a duration. */
function describe(reading: Reading, outputs: readonly string[], top: number, seconds: number | null): { text: string; json: object } {
  switch (reading.kind) {
    case "classes": {
      const classes = reading.classes.slice(0, top).map(({ label, probability }) => ({ name: outputs[label], label, probability }));
      return { text: classes.map(({ name, probability }) => `${name} ${formatPercent(probability)}`).join(", "), json: { classes } };
    }
    case "value":
      return { text: `${outputs[0]} ${reading.value.toPrecision(4)}`, json: { [outputs[0]]: reading.value } };
    case "transcript": {
      const scale = seconds ?? 1;
      const words = reading.words.map(({ word, start, end }) => ({ word, start: start * scale, end: end * scale }));
      return { text: reading.text, json: { text: reading.text, words } };
    }
  }
}
