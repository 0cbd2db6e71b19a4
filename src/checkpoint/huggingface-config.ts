/** What the `config.json` files of all Hugging Face models have in common. */
import type { CheckpointError } from "./error.js";

/** Makes the error for a field, with the file in front. */
export type Fail = (field: string, reason: string) => CheckpointError;

/**
 * Names of the outputs by `id2label`, or as many made-up ones as `num_labels` says (2 when absent).
 *
 * @throws what `fail` makes, where the fields contradict each other
 */
export function labelsOf({ id2label, num_labels: count }: Record<string, unknown>, fail: Fail): string[] {
  if (id2label === undefined || id2label === null) {
    const length = count ?? 2;
    if (!Number.isSafeInteger(length) || (length as number) < 1 || (length as number) > 1e6)
      throw fail("num_labels", `${JSON.stringify(count)} is no number of outputs`);
    return Array.from({ length: length as number }, (_, id) => `LABEL_${id}`);
  }
  if (!isRecord(id2label)) throw fail("id2label", "expected an object from ids to names");
  const length = Object.keys(id2label).length;
  if (length === 0) throw fail("id2label", "expected a name for each output, got none");
  if (typeof count === "number" && count !== length) throw fail("num_labels", `${count}, but id2label names ${length}`);
  return Array.from({ length }, (_, id) => {
    const label = Object.hasOwn(id2label, String(id)) ? id2label[id] : undefined;
    if (typeof label !== "string")
      throw fail("id2label", `expected names for 0 to ${length - 1}, got ${JSON.stringify(label) ?? "none"} for ${id}`);
    return label;
  });
}

/** Whether a parsed value is an object with keys. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
