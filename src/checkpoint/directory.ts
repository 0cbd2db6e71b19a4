/**
 * Checkpoint folders that survive a crash at any moment.
 *
 * A folder can't be replaced in one system call, so the names beside `checkpoint` carry the state:
 *
 * | step | names afterwards | a crash here leaves |
 * | --- | --- | --- |
 * | write, flush and read back `checkpoint.writing` | checkpoint, checkpoint.writing | the old one; `.writing` counts for nothing |
 * | rename it to `checkpoint.new` | checkpoint, checkpoint.new | the old one |
 * | rename `checkpoint` to `checkpoint.old` | checkpoint.old, checkpoint.new | the new one, under `.new` |
 * | rename `checkpoint.new` to `checkpoint` | checkpoint, checkpoint.old | the new one |
 * | remove `checkpoint.old` | checkpoint | the new one |
 *
 * So whoever looks takes the first of `checkpoint`, `checkpoint.new`, `checkpoint.old` that exists: {@link findCheckpoint}. The next
 * writer puts the survivor back under its name and removes the leftovers: {@link recoverCheckpoint}.
 */
import type { Stats } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat, statfs } from "node:fs/promises";
import path from "node:path";
import { CheckpointError, fileError, systemCode } from "./error.js";
import { formatBytes, readJson, syncFolder } from "./files.js";
import { readSafetensorsHeader } from "./safetensors.js";

/**
 * Writes a checkpoint folder: `write` fills the folder it is given; once that is on the disk and reads back well, it takes the place of
 * `target`, which is removed only then.
 *
 * @throws CheckpointError when anything fails, the disk being full included; `target` is then as it was before
 */
export async function writeCheckpoint(target: string, write: (folder: string) => Promise<void>): Promise<void> {
  const { writing, fresh, old } = namesBeside(target);
  const parent = path.dirname(target);
  try {
    await mkdir(parent, { recursive: true });
    await recoverCheckpoint(target);
    await mkdir(writing);
    await write(writing);
    await flushAndVerify(writing);
  } catch (error) {
    await rm(writing, { recursive: true, force: true }).catch(() => {});
    throw await failure(target, error);
  }
  try {
    await rename(writing, fresh);
    await syncFolder(parent);
    if (await exists(target)) await rename(target, old);
    await rename(fresh, target);
    await syncFolder(parent);
  } catch (error) {
    // The new one is whole, so it stays; whoever comes next finds it.
    throw fileError(target, error);
  }
  // A leftover does no harm, and the next writer removes it.
  await rm(old, { recursive: true, force: true }).catch(() => {});
}

/** The folder that holds the checkpoint `target`: itself, or what a crash left of it; undefined when there is none. Changes nothing. */
export async function findCheckpoint(target: string): Promise<string | undefined> {
  const { fresh, old } = namesBeside(target);
  for (const folder of [target, fresh, old]) {
    if ((await exists(folder))?.isDirectory()) return folder;
  }
  return undefined;
}

/** Puts what a crash left of `target` back under its name and removes the leftovers; only for whoever writes there. */
export async function recoverCheckpoint(target: string): Promise<void> {
  const { writing, fresh, old } = namesBeside(target);
  const survivor = await findCheckpoint(target);
  try {
    if (survivor !== undefined && survivor !== target) {
      await rename(survivor, target);
      await syncFolder(path.dirname(target));
    }
    for (const leftover of [writing, fresh, old]) await rm(leftover, { recursive: true, force: true });
  } catch (error) {
    throw fileError(target, error);
  }
}

/** Where a model was found. */
export interface ModelFolder {
  /** The folder with config.json and the weights. */
  folder: string;
  /** The run it belongs to, when a run folder was given. */
  run?: string;
}

/**
 * The folder of a model: `given` itself when it holds config.json and weights; in a run folder `best/`, else `checkpoint/`.
 *
 * @throws CheckpointError saying what is missing
 */
export async function resolveModelFolder(given: string): Promise<ModelFolder> {
  const status = await exists(given);
  if (status && !status.isDirectory()) throw new CheckpointError(`${given}: is a file; give the folder of the model`);
  const survivor = await findCheckpoint(given);
  if (survivor === undefined) throw new CheckpointError(`${given}: no such folder`);
  for (const name of ["best", "checkpoint"]) {
    const folder = await findCheckpoint(path.join(given, name));
    if (folder === undefined) continue;
    await expectModel(folder);
    return { folder, run: given };
  }
  await expectModel(survivor);
  return { folder: survivor };
}

async function expectModel(folder: string): Promise<void> {
  const names = new Set(await readdir(folder));
  const weights = names.has("model.safetensors") || names.has("model.safetensors.index.json");
  if (names.has("config.json") && weights) return;
  const pickled = [...names].find((name) => /^pytorch_model.*\.bin$|\.pth?$/.test(name));
  if (!weights && pickled) {
    throw new CheckpointError(
      `${folder}: ${pickled} is a PyTorch pickle, which can't be read here\nsave the model as safetensors: model.save_pretrained(FOLDER, safe_serialization=True)`,
    );
  }
  const missing = [names.has("config.json") ? [] : ["config.json"], weights ? [] : ["model.safetensors"]].flat();
  throw new CheckpointError(
    `${folder}: no model: ${missing.join(" and ")} missing\ngive a run folder, or a folder as Hugging Face saves it`,
  );
}

function namesBeside(target: string): { writing: string; fresh: string; old: string } {
  const base = path.resolve(target);
  return { writing: `${base}.writing`, fresh: `${base}.new`, old: `${base}.old` };
}

async function exists(file: string): Promise<Stats | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw fileError(file, error);
  }
}

/** Brings every file to the disk and reads back what the formats allow to check. */
async function flushAndVerify(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  if (entries.length === 0) throw new CheckpointError(`${folder}: nothing was written`);
  for (const entry of entries) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) {
      await flushAndVerify(file);
      continue;
    }
    // Windows flushes only handles that may write.
    const handle = await open(file, "r+");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (file.endsWith(".safetensors")) await readSafetensorsHeader(file);
    else if (file.endsWith(".json")) await readJson(file);
    else await readFile(file);
  }
  await syncFolder(folder);
}

async function failure(target: string, error: unknown): Promise<CheckpointError> {
  const { message } = fileError(target, error);
  const previous = (await findCheckpoint(target).catch(() => undefined)) !== undefined;
  const lines = [message];
  if (systemCode(error) === "ENOSPC" && previous) {
    const needed = await folderSize(target);
    const { bavail, bsize } = await statfs(path.dirname(path.resolve(target)));
    lines.push(`the previous checkpoint takes ${formatBytes(needed)}; ${formatBytes(bavail * bsize)} are free`);
  }
  if (previous) lines.push(`the checkpoint that was there before is unchanged: ${target}`);
  return new CheckpointError(lines.join("\n"), { cause: error });
}

async function folderSize(folder: string): Promise<number> {
  const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(path.join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
