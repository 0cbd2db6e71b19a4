import type { TaskName } from "../modalities/modality.js";
import { classify } from "./classify.js";
import type { BeamOptions } from "./ctc/beam.js";
import { recognize } from "./recognize.js";
import { regress } from "./regress.js";
import type { TaskKind } from "./task-kind.js";

/** How answers are read off a model's outputs. */
export interface ReadingOptions {
  /** ctc: beam search, with a language model or a lexicon; null takes the likeliest symbol of each position. */
  search?: BeamOptions | null;
}

/**
 * What a task is, by its name.
 *
 * @param outputs names of the model's outputs: classes, symbols, or the value
 */
export function taskKind(name: TaskName, outputs: readonly string[], { search = null }: ReadingOptions = {}): TaskKind {
  switch (name) {
    case "classify":
      return classify;
    case "regress":
      return regress;
    case "ctc":
      return recognize(outputs, search);
  }
}
