/** `data2vec extract`: hidden states of a model for files, or for raw model inputs. */
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { type HostTensor, readSafetensors, writeSafetensors } from "../checkpoint/safetensors.js";
import { concatenateOutputs, extract } from "../tasks/extract.js";
import { loadModel } from "../tasks/load-model.js";
import { UsageError } from "./failure.js";
import { modalityOfModel } from "./modalities.js";
import { type DeviceOptions, needed, openDevice, withDevice, withJson } from "./options.js";
import { print, say, table } from "./terminal.js";

interface Options extends DeviceOptions {
  model?: string;
  output?: string;
  /** Which hidden states; null is all. */
  layers: number[] | null;
  json: boolean;
}

/** Adds arguments, flags and help to the command. */
export function define(command: Command): void {
  command
    .argument("<file...>", "images, clips or text files, as the model takes, or one .safetensors of raw model inputs")
    .option("--model <folder>", "a run, or a folder as Hugging Face saves it")
    .option("--output <file>", "the .safetensors to write")
    .option(
      "--layers <which>",
      "hidden states: all, last (only last_hidden_state), or numbers such as 8,12; 0 is the embedding",
      layers,
      null,
    );
  withJson(withDevice(command))
    .addHelpText(
      "after",
      `
Examples:
  data2vec extract --model runs/photos cat.jpg dog.jpg --output features.safetensors
  data2vec extract --model runs/photos photos/*.jpg --output top.safetensors --layers last
  data2vec extract --model facebook/data2vec-vision-base inputs.safetensors --output ours.safetensors

The output holds last_hidden_state, hidden_states.0 (the embedding) to hidden_states.L, pooler_output, and logits for a model with a
task, each with one row for each file (or line of a text file) in the order given; the names are in its metadata. Where inputs are of
unequal length, shorter ones are filled up, and lengths tells the valid positions of each. Raw inputs are named as in Hugging Face (images:
pixel_values, bool_masked_pos; clips: input_values, attention_mask; texts: input_ids, token_type_ids, attention_mask), so that you can
compare with your own Python.
With --json: {"output", "files", "tensors": [{"name", "shape"}]}.`,
    )
    .action(run);
}

async function run(files: string[], options: Options): Promise<void> {
  const raw = files.some((file) => file.endsWith(".safetensors"));
  if (raw && files.length > 1) throw new UsageError("give either files, or a single .safetensors of raw model inputs");
  const path = needed(options.model, "--model FOLDER", "the model to look into");
  const output = needed(options.output, "--output FILE", "the .safetensors to write");
  const modality = await modalityOfModel(path);
  const device = await openDevice(options);
  try {
    const { model, config, notes } = await loadModel(device, modality, path);
    for (const note of notes) say(`note: ${note}`);
    const parts: Map<string, HostTensor>[] = [];
    const names: string[] = [];
    if (raw) {
      parts.push(await extract(model, modality.rawInputs(await readSafetensors(files[0]), config), options.layers));
    } else {
      for await (const batch of modality.openFiles(files, config)) {
        names.push(...batch.names);
        const upload = (target: typeof device) => ({ input: batch.upload(target), mask: null });
        parts.push(await extract(model, { ...batch, upload }, options.layers));
      }
    }
    const tensors = concatenateOutputs(parts);
    await writeSafetensors(output, tensors, { format: "pt", files: JSON.stringify(raw ? files : names) });
    const shapes = [...tensors].map(([name, { shape }]) => ({ name, shape }));
    if (options.json) print(JSON.stringify({ output, files, tensors: shapes }));
    else {
      print(`wrote ${output}`);
      for (const line of table(shapes.map(({ name, shape }) => [`  ${name}`, `[${shape.join(", ")}]`]))) print(line);
    }
  } finally {
    device.close();
  }
}

function layers(text: string): number[] | null {
  if (text === "all") return null;
  if (text === "last") return [];
  if (/^\d+(,\d+)*$/.test(text)) return [...new Set(text.split(",").map(Number))];
  throw new InvalidArgumentError("It must be all, last, or numbers such as 8,12.");
}
