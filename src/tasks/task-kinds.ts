import type { TaskName } from "../modalities/modality.js";
import { classify } from "./classify.js";
import type { TaskKind } from "./task-kind.js";

const KINDS: Partial<Record<TaskName, TaskKind>> = { classify };

/** What a task is, by its name. */
export function taskKind(name: TaskName): TaskKind {
  const kind = KINDS[name];
  if (kind === undefined) throw new Error(`task ${name} isn't supported`);
  return kind;
}
