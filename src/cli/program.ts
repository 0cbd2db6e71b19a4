/** All commands under one name. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { nearest } from "../config/nearest.js";
import { addDemo } from "./demo.js";
import { addDoctor } from "./doctor.js";
import { addEvaluate } from "./evaluate.js";
import { addExtract } from "./extract.js";
import { addFinetune } from "./finetune.js";
import { addInspect } from "./inspect.js";
import { knownSettings } from "./modalities.js";
import { addPredict } from "./predict.js";
import { addPretrain } from "./pretrain.js";
import { paint } from "./terminal.js";

/** The command line; errors of usage are told on stderr and thrown as commander's. */
export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const program = new Command("data2vec")
    .description("Self-supervised learning with data2vec: pretrain on unlabelled data, fine-tune with few labels, use the model.")
    .version(version, "--version", "print the version")
    .helpOption("--help", "explain the command, with examples")
    .helpCommand("help [command]", "explain a command, with examples")
    .configureHelp({ styleTitle: (title) => paint("bold", title, process.stdout) })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, paint("red", "error:")) + settingMeant(text)) })
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
  const commands = [addPretrain, addFinetune, addEvaluate, addPredict, addExtract, addInspect, addDoctor, addDemo];
  for (const add of commands) add(program);
  return program;
}

/** For an unknown flag that is the name of a setting: how settings are given. */
function settingMeant(error: string): string {
  const flag = /unknown option '--([\w.-]+)/.exec(error)?.[1];
  if (flag === undefined || error.includes("Did you mean")) return "";
  const key = nearest(flag, knownSettings());
  return key === undefined ? "" : `(settings are given as --set ${key}=VALUE)\n`;
}
