import type { TaskName } from "../modalities/modality.js";
import { classify } from "./classify.js";
import { recognize } from "./recognize.js";
import type { TaskKind } from "./task-kind.js";

/**
 * What a task is, by its name.
 *
 * @param outputs names of the model's outputs: classes, symbols, or the value
 */
export function taskKind(name: TaskName, outputs: readonly string[]): TaskKind {
  switch (name) {
    case "classify":
      return classify;
    case "regress":
      throw new Error("regression of values isn't supported yet");
    case "ctc":
      return recognize(outputs);
  }
}
