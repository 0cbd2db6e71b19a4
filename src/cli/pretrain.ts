/** `data2vec pretrain`: self-supervised learning from unlabelled data. */
import { Argument, type Command } from "commander";
import { pretrain } from "../train/pretrain.js";
import { MODALITY_NAMES, type ModalityName, modalityNamed } from "./modalities.js";
import { needed, openDevice } from "./options.js";
import { configureRun, follow, printSettings, type RunOptions, readRun, SETTINGS_HELP, withRun } from "./run.js";

/** Adds arguments, flags and help to the command. */
export function define(command: Command): void {
  command.addArgument(new Argument("<modality>", "kind of data").choices(MODALITY_NAMES));
  withRun(command)
    .addHelpText(
      "after",
      `
Examples:
  data2vec pretrain vision --data photos/ --out runs/photos --preset small
  data2vec pretrain vision --data photos/ --out runs/wide --set model.dim=384 train.batchSize=32 --steps 5000
  data2vec pretrain speech --data clips/ --out runs/speech --preset small
  data2vec pretrain text   --data corpus.txt --out runs/text --set data.cache=cache
  data2vec pretrain vision --out runs/photos --resume
  data2vec pretrain vision --preset base --settings

Defaults: --preset tiny, which learns from small data in minutes; base and large are the published recipes (docs/recipes.md).
${SETTINGS_HELP}
Watch the deviations on the live line: when target or prediction falls towards 0, the run has collapsed to a constant.`,
    )
    .action(run);
}

async function run(modalityName: ModalityName, options: RunOptions): Promise<void> {
  const { modality } = modalityNamed(modalityName);
  if (options.settings) {
    printSettings(modality, await configureRun(modality, "pretrain", options), options.json);
    return;
  }
  const out = needed(options.out, "--out FOLDER", "where the run is kept");
  const stored = options.resume ? await readRun(out) : null;
  const config = await configureRun(modality, "pretrain", options);
  const data = needed(options.data ?? stored?.data, "--data PATH", "what to learn from");
  const device = await openDevice(options);
  try {
    await follow({
      command: "pretrain",
      out,
      config,
      engine: device.backend.description,
      json: options.json,
      start: (signal) => pretrain({ modality, config, data, out, device, resume: options.resume, signal }),
      resumeWith: `data2vec pretrain ${modalityName} --out ${out} --resume`,
      next: `data2vec finetune classify --model ${out} --data LABELLED --out CLASSIFIER`,
    });
  } finally {
    device.close();
  }
}
