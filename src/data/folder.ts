/** Folders of files of one kind: which files lie below, their classes by sub-folder, and division into train and test folders. */
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";

const SPLIT_NAMES = { train: ["train", "training"], test: ["val", "valid", "validation", "test"] } as const;

/** Where the samples of a folder lie: in split folders of these names, or (both null) in the folder itself. */
export interface FolderSplits {
  readonly train: string | null;
  readonly test: string | null;
}

/** Paths below a folder, with forward slashes and sorted by code unit: of the kind that was looked for, and of any other. */
export interface FolderFiles {
  readonly found: string[];
  readonly others: string[];
}

/**
 * Tells whether a folder is divided into splits: it has a `train` (or `training`) or `val`, `valid`, `validation`, `test` sub-folder, and no
 * file of the kind anywhere outside of these. Where several test folders are there, the first in that order counts.
 *
 * @param kind what the name of such a file matches
 */
export async function findSplits(folder: string, kind: RegExp): Promise<FolderSplits> {
  const entries = (await readdir(folder)).filter(isVisible);
  const splitNames: readonly string[] = [...SPLIT_NAMES.train, ...SPLIT_NAMES.test];
  const first = async (names: readonly string[]) => {
    for (const name of names) {
      if (entries.includes(name) && (await stat(join(folder, name))).isDirectory()) return name;
    }
    return null;
  };
  const splits = { train: await first(SPLIT_NAMES.train), test: await first(SPLIT_NAMES.test) };
  if (splits.train === null && splits.test === null) return splits;
  for (const name of entries.filter((entry) => !splitNames.includes(entry))) {
    if ((await listFiles(folder, kind, name)).found.length > 0) return { train: null, test: null };
  }
  return splits;
}

/** The files below `root/below`, as paths relative to `root`. Hidden ones are left out; links are followed, each folder once. */
export async function listFiles(root: string, kind: RegExp, below = ""): Promise<FolderFiles> {
  const found: string[] = [];
  const others: string[] = [];
  const visited = new Set<string>();
  const visit = async (path: string): Promise<void> => {
    const full = join(root, path);
    // A dangling link is not a file; anything else that can't be looked at is an error.
    const entry = await stat(full).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    if (entry?.isDirectory()) {
      const real = await realpath(full);
      if (visited.has(real)) return;
      visited.add(real);
      await visitFolder(path);
    } else if (entry?.isFile()) {
      (kind.test(path) ? found : others).push(path);
    }
  };
  const visitFolder = async (path: string): Promise<void> => {
    const entries = await readdir(join(root, path), { withFileTypes: true });
    for (const entry of entries) {
      if (!isVisible(entry.name)) continue;
      const child = path === "" ? entry.name : `${path}/${entry.name}`;
      // No look at each plain file: a million of them is usual.
      if (entry.isFile()) (kind.test(entry.name) ? found : others).push(child);
      else await visit(child);
    }
  };
  await visit(below);
  return { found: found.sort(), others };
}

/**
 * The labels of files by the first folder on their paths; where a file lies directly in the folder, the whole set counts as unlabelled.
 *
 * @param classes class names that give the labels their numbers (those of the training set), or null to take the folders, sorted
 * @throws where a folder isn't among `classes`
 */
export function folderLabels(
  folder: string,
  paths: readonly string[],
  classes: readonly string[] | null,
): { classes: readonly string[] | null; labels: Int32Array } {
  if (!paths.every((path) => path.includes("/"))) return { classes: null, labels: new Int32Array(paths.length).fill(-1) };
  const folders = paths.map((path) => path.slice(0, path.indexOf("/")));
  const names = classes ?? [...new Set(folders)].sort();
  return { classes: names, labels: numberClasses(folders, names, (index) => `${folder}/${folders[index]}`) };
}

/**
 * The number of each sample's class.
 *
 * @param place where sample `index` says its class, for the error
 * @throws where a class isn't among `names`
 */
export function numberClasses(classes: readonly string[], names: readonly string[], place: (index: number) => string): Int32Array {
  const numbers = new Map(names.map((name, label) => [name, label]));
  return Int32Array.from(classes, (name, index) => {
    const label = numbers.get(name);
    if (label === undefined) throw new Error(`${place(index)}: no such class; the classes are ${summary(names)}`);
    return label;
  });
}

function isVisible(name: string): boolean {
  return !name.startsWith(".") && name !== "__MACOSX";
}

function summary(names: readonly string[]): string {
  return names.length <= 8 ? names.join(", ") : `${names.slice(0, 8).join(", ")} and ${names.length - 8} more`;
}
