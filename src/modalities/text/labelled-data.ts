import { Philox } from "../../backend/philox.js";
import { LabelledTextLoader } from "../../data/text/example.js";
import { type GlueTask, glueEvaluations, glueFolder, glueName, glueTask, openGlue } from "../../data/text/glue.js";
import { balancedTexts, holdOutTexts, type LabelledText, subsetOfText } from "../../data/text/labelled-text.js";
import { openLabelledText as openTable, type TextSplit, textSplits } from "../../data/text/open-labelled-text.js";
import type { Tokenizer } from "../../data/text/tokenizer.js";
import type { EvaluationOptions, JudgedData, LabelledData, LabelledOptions, TaskName } from "../modality.js";
import type { TextConfig } from "./config.js";
import { LabelledTextFeed, type TextTargets } from "./feeds.js";
import { INFERENCE_BATCH } from "./files.js";
import type { TextInput } from "./input.js";
import { requireTokenizer, tokenizerCompanions } from "./tokenizer.js";

/** The name of the output of a model that gives a value. */
const VALUE = "score";

/**
 * Labelled texts: those to train on, and the test split (or a held-out part) to judge by. A folder with the name of a task of GLUE (`CoLA`,
 * `SST-2`, `sts-b`) is read as that task, with its classes and metrics; in any other, a model that learned one is judged as it demands.
 */
export async function openLabelledText(place: string, config: TextConfig, options: LabelledOptions): Promise<LabelledData<TextInput>> {
  const { seed } = config.train;
  const { task, outputs, labels, holdOut } = options;
  const tokenizer = await requireTokenizer(config, options);
  const data = describe(place, options, outputs ?? null);
  let training = await data.open("train");
  const classes = training.classes;
  if (labels !== undefined) training = task === "classify" ? balancedTexts(training, labels, seed) : randomTexts(training, labels, seed);
  let judged: LabelledText | null = null;
  if (holdOut !== undefined) {
    const parts = holdOutTexts(training, holdOut, seed);
    training = parts.rest;
    judged = parts.heldOut;
  } else if (await data.hasTest()) {
    judged = await describe(place, options, classes).open("test");
  }

  const targets = targetsOf(task, classes, data.glue);
  const feed = (set: LabelledText, training: boolean) => feedOf(set, tokenizer, config, targets, training);
  return {
    outputs: classes ?? [VALUE],
    metrics: data.glue?.metrics ?? null,
    benchmark: glueFolder(place),
    train: feed(training, true),
    plain: feed(training, false),
    evaluation: judged === null ? null : feed(judged, false),
    companions: tokenizerCompanions(tokenizer, config),
  };
}

/** Labelled texts to judge a model by: the test split, all of a file, or every evaluation set of a task of GLUE. */
export async function openJudgedText(place: string, config: TextConfig, options: EvaluationOptions): Promise<JudgedData<TextInput>> {
  const { task, outputs } = options;
  const tokenizer = await requireTokenizer(config);
  const data = describe(place, options, task === "classify" ? outputs : null);
  // All are read before the first one gets workers, which an error would leave behind.
  const sets: { name: string | null; set: LabelledText }[] = [];
  for (const { part, name } of data.judged) sets.push({ name, set: await data.open(part) });
  const parts = sets.map(({ name, set }) => ({
    name,
    feed: feedOf(set, tokenizer, config, targetsOf(task, set.classes, data.glue), false),
  }));
  return { metrics: data.glue?.metrics ?? null, parts };
}

interface Description {
  /** The task of GLUE that says by what models are judged. */
  glue: GlueTask | null;
  /** The sets that a trained model is judged by. */
  judged: readonly { part: string; name: string | null }[];
  hasTest(): Promise<boolean>;
  /** Opens a part; a single file is all of every part. */
  open(part: string): Promise<LabelledText>;
}

/** What the data at `place` is to a task; `classes` are those that a trained model fixes, `benchmark` the task that it learned. */
function describe(
  place: string,
  { task, benchmark }: { task: TaskName; benchmark?: string | null },
  classes: readonly string[] | null,
): Description {
  if (task !== "classify" && task !== "regress") throw new Error(`text: task ${task}: expected classify or regress`);
  const wanted = task === "classify" ? "classes" : "scores";
  const check = (set: LabelledText): LabelledText => {
    if (task === "classify" ? set.classes !== null : set.scored) return set;
    const found = set.scored ? "scores" : set.classes !== null ? "classes" : "no labels";
    throw new Error(`${set.description}: expected ${wanted} for the task ${task}, got ${found}`);
  };
  const name = glueFolder(place);
  if (name !== null) {
    const glue = glueTask(name);
    const own = glue.classes;
    return {
      glue,
      judged: glueEvaluations(glue),
      // GLUE's own test set has no labels; the one that models are judged by is always there.
      hasTest: async () => true,
      open: async (part) => {
        const set = check(await openGlue(place, name, part === "test" ? "evaluation" : part));
        if (task === "classify" && classes !== null && classes.join("\n") !== own?.join("\n")) {
          throw new Error(`${place}: ${name} has the classes ${own?.join(", ")}, the model ${classes.join(", ")}`);
        }
        return set;
      },
    };
  }
  const kind = task === "classify" ? "classification" : "regression";
  const learned = glueName(benchmark);
  return {
    glue: learned === null ? null : glueTask(learned),
    judged: [{ part: "test", name: null }],
    hasTest: async () => (await textSplits(place)).includes("test"),
    open: async (part) => {
      const isDivided = (await textSplits(place)).length > 0;
      return check(await openTable(place, { kind, classes, split: isDivided ? (part as TextSplit) : undefined }));
    },
  };
}

function targetsOf(task: TaskName, classes: readonly string[] | null, glue: GlueTask | null): TextTargets {
  if (task === "classify") return { kind: "classes", classes: classes!.length };
  return { kind: "values", scale: glue?.scoreScale ?? 1 };
}

function feedOf(
  set: LabelledText,
  tokenizer: Tokenizer,
  { data, train }: TextConfig,
  targets: TextTargets,
  training: boolean,
): LabelledTextFeed {
  // A few labels may be less than a batch; then every epoch is one batch.
  const batchSize = training ? Math.min(train.batchSize, set.size) : INFERENCE_BATCH;
  const loader = new LabelledTextLoader(set, { tokenizer, maxLength: data.tokensPerSample, batchSize, seed: train.seed, training });
  return new LabelledTextFeed(loader, tokenizer.special.pad, targets);
}

/** A random subset; that of a smaller total at the same seed lies within that of a larger one. */
function randomTexts(set: LabelledText, total: number, seed: number): LabelledText {
  if (total > set.size) throw new Error(`${set.description}: ${total} labels were asked for`);
  const order = new Philox(seed, "subset").shuffle(Int32Array.from({ length: set.size }, (_, index) => index));
  return subsetOfText(set, order.subarray(0, total).sort());
}
