/** Makes classes or scores of what the target column of a table holds. */

/** What a row says, and where. */
export interface Target {
  readonly place: string;
  readonly column: string | null;
  readonly value: unknown;
}

/** Classes with a label each, or scores, or (all null) neither. */
export interface Targets {
  readonly classes: readonly string[] | null;
  readonly labels: Int32Array | null;
  readonly scores: Float64Array | null;
}

const NONE: Targets = { classes: null, labels: null, scores: null };

/** Decides between classes and scores where `kind` doesn't, and numbers the classes. */
export function targetsOf(
  place: string,
  targets: readonly Target[],
  options: { readonly kind?: "classification" | "regression"; readonly classes?: readonly string[] | null },
): Targets {
  if (targets.every(({ column }) => column === null)) return NONE;
  const values = targets.map((target) => plainValue(target));
  const numbers = values.map((value) => (value === "" ? Number.NaN : Number(value)));
  const fractional = numbers.every(Number.isFinite) && !numbers.every(Number.isInteger);
  const scored = targets[0]!.column === "score" || fractional;
  if ((options.kind ?? (scored && !options.classes ? "regression" : "classification")) === "regression") {
    const wrong = numbers.findIndex((number) => !Number.isFinite(number));
    if (wrong >= 0) throw mismatch(targets[wrong]!, "a number");
    return { ...NONE, scores: Float64Array.from(numbers) };
  }
  if (values.every((value) => value === "-1")) return NONE;
  const empty = values.indexOf("");
  if (empty >= 0) throw mismatch(targets[empty]!, "a class");

  const classes = options.classes ?? sortedClasses(values);
  const byName = new Map(classes.map((name, label) => [name, label]));
  const labels = Int32Array.from(values, (value, index) => {
    const label = byName.get(value) ?? (/^\d+$/.test(value) && Number(value) < classes.length ? Number(value) : undefined);
    if (label === undefined) throw mismatch(targets[index]!, `one of the classes ${summary(classes)}`);
    return label;
  });
  if (classes.length < 2) throw new Error(`${place}: all labels are ${classes[0]}; a classifier needs two classes or more`);
  return { ...NONE, classes, labels };
}

/** Numbers in their order, other names by code unit. */
function sortedClasses(values: readonly string[]): string[] {
  const names = [...new Set(values)];
  return names.every((name) => /^-?\d+$/.test(name)) ? names.sort((a, b) => Number(a) - Number(b)) : names.sort();
}

function plainValue(target: Target): string {
  const { value } = target;
  if (typeof value === "string") return value.trim();
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  throw mismatch(target, "a class or a score");
}

function mismatch({ place, column, value }: Target, expected: string): Error {
  const got = value === undefined ? "nothing" : typeof value === "bigint" ? String(value) : JSON.stringify(value);
  return new Error(`${place}: ${column}: expected ${expected}, got ${got}`);
}

function summary(names: readonly string[]): string {
  return names.length <= 8 ? names.join(", ") : `${names.slice(0, 8).join(", ")} and ${names.length - 8} more`;
}
