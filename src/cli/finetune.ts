/** `data2vec finetune`: a trained model, or none, learns a task from labelled data. */
import { Argument, type Command, Option } from "commander";
import { resolveModelFolder } from "../checkpoint/directory.js";
import type { RunConfig, TaskName } from "../modalities/modality.js";
import { finetune, flatEvaluation } from "../train/finetune.js";
import { UsageError } from "./failure.js";
import { knownModality, MODALITY_NAMES, type ModalityName, modalityNamed, modalityOfModel } from "./modalities.js";
import { fraction, integer, needed, openDevice } from "./options.js";
import { configureRun, follow, printSettings, type RunOptions, readRun, SETTINGS_HELP, withRun } from "./run.js";
import { formatCount, formatMetrics } from "./terminal.js";

interface Options extends RunOptions {
  model?: string;
  modality: ModalityName;
  freshWeights: boolean;
  labels?: number;
  holdOut?: number;
}

const TASKS: readonly TaskName[] = ["classify", "regress", "ctc"];
const NOT_JUDGED = "the data has no test split, so the model was not judged; --hold-out 0.2 would judge it on a part of the labels";

/** Adds arguments, flags and help to the command. */
export function define(command: Command): void {
  command
    .addArgument(new Argument("<task>", "what to learn").choices(TASKS))
    .option("--model <folder>", "pretrained model: a run, or a folder as Hugging Face saves it; none trains from scratch")
    .addOption(new Option("--modality <name>", "kind of data, for --model none").choices(MODALITY_NAMES).default(MODALITY_NAMES[0]))
    .option("--fresh-weights", "take only what travels with --model, such as a tokenizer: the same network from scratch", false)
    .option("--labels <count>", "train with so many labels, the same of each class (default: all)", integer(1, 1e9))
    .option(
      "--hold-out <fraction>",
      "judge on this part of the labelled samples, which are then not trained on, instead of the test split",
      fraction,
    );
  withRun(command)
    .addHelpText(
      "after",
      `
Tasks: classify learns a class of each sample; regress a number (text); ctc transcripts (speech).

Examples:
  data2vec finetune classify --model runs/photos --data labelled/ --out runs/classifier
  data2vec finetune classify --model runs/photos --data labelled/ --out runs/few --labels 100 --hold-out 0.2
  data2vec finetune classify --model none --data labelled/ --out runs/scratch --preset small
  data2vec finetune ctc      --model runs/speech --data librispeech/ --out runs/letters
  data2vec finetune regress  --model runs/text --data glue/STS-B --out runs/sts
  data2vec finetune classify --out runs/classifier --resume

Labels are names of folders (labelled/CLASS/FILE, or labelled/train/CLASS and labelled/test/CLASS), or columns of a table; docs/data.md has
every layout. A trained model fixes the settings of its architecture; of the presets the one that is most like it is the default (tiny
without one). The model is judged every train.evaluateEvery steps and at the end, on the test split or the part held out; train.keepBest
keeps the best in OUT/best.
${SETTINGS_HELP}`,
    )
    .action(run);
}

async function run(task: TaskName, options: Options): Promise<void> {
  const out = options.settings ? (options.out ?? "") : needed(options.out, "--out FOLDER", "where the run is kept");
  const stored = options.resume ? await readRun(out) : null;
  const given = options.model ?? stored?.model ?? (options.settings || stored?.model === null ? "none" : undefined);
  const model = needed(given, "--model FOLDER", "the pretrained model, or none to train from scratch");
  if (options.freshWeights && model === "none") throw new UsageError("--fresh-weights: needs --model FOLDER; none is from scratch anyway");
  const name = stored === null ? options.modality : knownModality(stored.modality);
  if (stored?.task && stored.task !== task) throw new UsageError(`${out}: the run there learns ${stored.task}, not ${task}`);
  const modality = model === "none" || options.resume ? modalityNamed(name).modality : await modalityOfModel(model);
  if (!modality.tasks.includes(task)) {
    throw new UsageError(`${modality.name} models learn ${modality.tasks.join(" or ")}, not ${task}`);
  }
  let fixed: { name: string; values: object } | undefined;
  if (model !== "none" && !options.resume) {
    const { folder } = await resolveModelFolder(model);
    const { config: theirs } = await modality.loadModel(folder);
    fixed = { name: `the model in ${model}`, values: modality.fixed(theirs) };
  }
  const config: RunConfig = await configureRun(modality, "finetune", options, fixed);
  if (options.settings) {
    printSettings(modality, config, options.json);
    return;
  }
  const data = needed(options.data ?? stored?.data, "--data PATH", "what to learn from");
  const device = await openDevice(options);
  try {
    await follow({
      command: "finetune",
      out,
      config,
      engine: device.backend.description,
      json: options.json,
      start: (signal) =>
        finetune({
          modality,
          task,
          config,
          model: model === "none" ? null : model,
          freshWeights: options.freshWeights || stored?.freshWeights,
          data,
          out,
          device,
          labels: options.labels ?? stored?.labels ?? undefined,
          holdOut: options.holdOut ?? stored?.holdOut ?? undefined,
          resume: options.resume,
          signal,
        }),
      extras: ({ step, steps, evaluation }) => {
        if (evaluation === null) return step < steps ? {} : { note: NOT_JUDGED };
        const { metrics, loss, samples } = evaluation;
        const note = `step ${step}: ${formatMetrics(metrics)}, loss ${loss.toPrecision(4)} on ${formatCount(samples)} samples`;
        return { note, values: { ...flatEvaluation(evaluation), evaluationSamples: samples } };
      },
      resumeWith: `data2vec finetune ${task} --out ${out} --resume`,
      next: `data2vec predict --model ${out} FILE...`,
    });
  } finally {
    device.close();
  }
}
