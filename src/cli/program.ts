/** All commands under one name. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { writeUsageError } from "./failure.js";
import { paint } from "./terminal.js";

/** Loaded when it is called for: help and small commands don't wait for what training needs. */
interface Entry {
  about: string;
  load: () => Promise<{ define(command: Command): void }>;
}

const COMMANDS: Record<string, Entry> = {
  pretrain: { about: "learn from data without labels", load: () => import("./pretrain.js") },
  finetune: { about: "train a classifier on labelled data, from a pretrained model or from scratch", load: () => import("./finetune.js") },
  evaluate: { about: "measure a model on labelled data", load: () => import("./evaluate.js") },
  predict: { about: "say what a fine-tuned model makes of files: classes, values, transcripts", load: () => import("./predict.js") },
  extract: { about: "write a model's hidden states to a safetensors file", load: () => import("./extract.js") },
  tokenizer: {
    about: "make the vocabulary of a text model from a corpus, and show how it cuts text up",
    load: () => import("./tokenizer.js"),
  },
  inspect: {
    about: "show tensors, configuration and progress of a model folder, a run or a safetensors file",
    load: () => import("./inspect.js"),
  },
  doctor: { about: "say which engines this machine has, and check that they compute right", load: () => import("./doctor.js") },
  bench: { about: "measure how fast the kernels are, against the machine's peak", load: () => import("./bench.js") },
  demo: {
    about: "pretrain, fine-tune with few labels and compare with training from scratch, in a few minutes",
    load: () => import("./demo.js"),
  },
};

/** The command line for some arguments; errors of usage are told on stderr and thrown as commander's. */
export async function createProgram(args: readonly string[]): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const program = new Command("data2vec")
    .description("Self-supervised learning with data2vec: pretrain on unlabelled data, fine-tune with few labels, use the model.")
    .version(version, "--version", "print the version")
    .helpOption("--help", "explain the command, with examples")
    .helpCommand("help [command]", "explain a command, with examples")
    .configureHelp({ styleTitle: (title) => paint("bold", title, process.stdout) })
    .configureOutput({ outputError: writeUsageError })
    .showHelpAfterError("(--help explains the command)")
    .exitOverride()
    .addHelpText(
      "after",
      `
Examples:
  data2vec demo vision                                        the whole story in a few minutes
  data2vec pretrain vision --data photos/ --out runs/photos   learn from images without labels
  data2vec finetune classify --model runs/photos --data labelled/ --out runs/classifier
  data2vec predict --model runs/classifier cat.jpg

Each command explains itself: data2vec pretrain --help. More in docs/cli.md.
Exit codes: 0 done, 1 failed, 2 usage or configuration, 130 stopped by Ctrl-C with the state saved.`,
    );
  for (const [name, { about, load }] of Object.entries(COMMANDS)) {
    const command = program.command(name).description(about);
    if (args.includes(name)) (await load()).define(command);
  }
  return program;
}
