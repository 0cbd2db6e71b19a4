/**
 * The folder of a run: `config.yaml` (effective configuration), `metrics.jsonl`, `skipped.jsonl`, `lock`, `checkpoint/` (the latest) and,
 * in fine-tuning, `best/`.
 */
import { appendFileSync, createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rmdir, stat } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { findCheckpoint, recoverCheckpoint } from "../checkpoint/directory.js";
import { CheckpointError, fileError, systemCode } from "../checkpoint/error.js";
import { writeAll, writeAtomically, writeText } from "../checkpoint/files.js";
import { readTrainerState, type TrainerState } from "../checkpoint/trainer-state.js";
import { formatConfig } from "../config/resolve.js";
import { acquireLock } from "./lock.js";

/** A file of one JSON value a line, which only grows. */
export class JsonLines {
  constructor(readonly file: string) {}

  /** Adds a line; it is with the system when this returns. */
  append(record: object): void {
    try {
      appendFileSync(this.file, `${JSON.stringify(record)}\n`);
    } catch (error) {
      throw fileError(this.file, error);
    }
  }

  /** The lines so far, none where there is no file. */
  async read(): Promise<Record<string, unknown>[]> {
    const text = await readFile(this.file, "utf8").catch((error) => {
      if (systemCode(error) === "ENOENT") return "";
      throw fileError(this.file, error);
    });
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }

  /** Drops, in one step, the lines whose `step` is after `step` and those that a crash cut short. */
  async truncateAfter(step: number): Promise<void> {
    const exists = await stat(this.file).then(
      () => true,
      () => false,
    );
    if (!exists) return;
    await writeAtomically(this.file, async (handle) => {
      let kept = "";
      const flush = async () => {
        await writeAll(handle, new TextEncoder().encode(kept));
        kept = "";
      };
      for await (const line of createInterface({ input: createReadStream(this.file), crlfDelay: Number.POSITIVE_INFINITY })) {
        if (!belongsBefore(line, step)) continue;
        kept += `${line}\n`;
        if (kept.length > 2 ** 20) await flush();
      }
      await flush();
    });
  }
}

/** An open run folder; close it to release its lock. */
export class RunFolder {
  readonly metrics: JsonLines;
  readonly skipped: JsonLines;
  /** Where the latest checkpoint goes, for `writeCheckpoint`. */
  readonly checkpoint: string;
  /** Where the model of the best evaluation goes. */
  readonly best: string;
  /** Names of the samples in `skipped.jsonl`. */
  readonly #skippedNames = new Set<string>();
  #release: (() => void) | null;

  private constructor(
    readonly folder: string,
    /** What a resumed run goes on from; null for a new one, or one that had not saved yet. */
    readonly resumed: TrainerState | null,
    release: () => void,
  ) {
    this.metrics = new JsonLines(path.join(folder, "metrics.jsonl"));
    this.skipped = new JsonLines(path.join(folder, "skipped.jsonl"));
    this.checkpoint = path.join(folder, "checkpoint");
    this.best = path.join(folder, "best");
    this.#release = release;
  }

  /**
   * Opens `folder` for one run and locks it.
   *
   * A new run needs a folder that holds none yet; `resume` needs one that does: what a crash left is put in order, and lines of
   * `metrics.jsonl` after the checkpoint's step are dropped.
   *
   * @throws LockedError when another process writes there; CheckpointError in every other case
   */
  static async open(folder: string, options: { resume?: boolean } = {}): Promise<RunFolder> {
    const { resume = false } = options;
    const names = await list(folder);
    if (resume && names === null) throw new CheckpointError(`${folder}: no such folder, there is nothing to resume`);
    if (names === null) {
      await mkdir(folder, { recursive: true }).catch((error) => {
        throw fileError(folder, error);
      });
    }
    const release = await lock(folder);
    try {
      const holdsRun = (await list(folder))!.some((name) => /^(config\.yaml|metrics\.jsonl|(checkpoint|best)(\.new|\.old)?)$/.test(name));
      if (holdsRun && !resume) {
        throw new CheckpointError(`${folder}: there is a run in this folder already\ncontinue it with --resume, or choose another folder`);
      }
      if (!holdsRun && resume) throw new CheckpointError(`${folder}: there is no run in this folder, so there is nothing to resume`);
      for (const name of ["checkpoint", "best"]) await recoverCheckpoint(path.join(folder, name));
      const checkpoint = await findCheckpoint(path.join(folder, "checkpoint"));
      const state = checkpoint === undefined ? null : await readTrainerState(checkpoint);
      const run = new RunFolder(folder, state, release);
      for (const lines of [run.metrics, run.skipped]) await lines.truncateAfter(state?.step ?? 0);
      for (const { name } of await run.skipped.read()) if (typeof name === "string") run.#skippedNames.add(name);
      return run;
    } catch (error) {
      release();
      if (names === null) await rmdir(folder).catch(() => {});
      throw error;
    }
  }

  /** Adds a sample that couldn't be read to `skipped.jsonl`, once however often the run is continued. */
  skip(sample: { name: string; error: string }): void {
    if (this.#skippedNames.has(sample.name)) return;
    this.skipped.append(sample);
    this.#skippedNames.add(sample.name);
  }

  /** Writes the effective configuration to `config.yaml`. */
  async saveConfig(config: object): Promise<void> {
    await writeText(path.join(this.folder, "config.yaml"), formatConfig(config));
  }

  /** Releases the lock; may be called twice. */
  close(): void {
    this.#release?.();
    this.#release = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

async function lock(folder: string): Promise<() => void> {
  try {
    return acquireLock(path.join(folder, "lock"));
  } catch (error) {
    throw systemCode(error) === undefined ? error : fileError(folder, error);
  }
}

/** Names in a folder, or null where there is none. */
async function list(folder: string): Promise<string[] | null> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    if (systemCode(error) === "ENOTDIR") throw new CheckpointError(`${folder}: is a file, expected a folder`);
    throw fileError(folder, error);
  }
}

/** Whether a line is whole and not of a step after `step`; lines without a step stay. */
function belongsBefore(line: string, step: number): boolean {
  try {
    const record = JSON.parse(line);
    return typeof record === "object" && record !== null && !(typeof record.step === "number" && record.step > step);
  } catch {
    return false;
  }
}
