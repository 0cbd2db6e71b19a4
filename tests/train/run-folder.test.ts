import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeCheckpoint } from "../../src/checkpoint/directory.js";
import { CheckpointError } from "../../src/checkpoint/error.js";
import { readTrainerState, type TrainerState, writeTrainerState } from "../../src/checkpoint/trainer-state.js";
import { acquireLock, LockedError } from "../../src/train/lock.js";
import { RunFolder } from "../../src/train/run-folder.js";

const root = { path: "" };
beforeAll(async () => {
  root.path = await mkdtemp(path.join(tmpdir(), "data2vec-"));
});
afterAll(() => rm(root.path, { recursive: true }));

let counter = 0;
const fresh = () => path.join(root.path, `run${counter++}`);

const state: Omit<TrainerState, "format"> = {
  step: 20,
  seed: 7,
  configHash: "00ff",
  config: { train: { steps: 100 } },
  data: { samples: 60_000 },
  best: { value: 0.5, step: 10 },
  evaluationsSinceBest: 1,
};

describe("RunFolder", () => {
  it("makes the folder, holds the lock while open, and keeps lines", async () => {
    const folder = path.join(fresh(), "deep", "run");
    const run = await RunFolder.open(folder);
    expect(run.resumed).toBeNull();
    expect(JSON.parse(await readFile(path.join(folder, "lock"), "utf8"))).toMatchObject({ pid: process.pid, host: hostname() });
    run.metrics.append({ step: 1, loss: 0.5 });
    run.metrics.append({ step: 2, loss: 0.25 });
    await run.saveConfig({ train: { steps: 2 } });
    await expect(RunFolder.open(folder)).rejects.toThrow(LockedError);
    await expect(RunFolder.open(folder, { resume: true })).rejects.toThrow(new RegExp(`process ${process.pid} has been writing`));
    run.close();
    run.close();
    expect((await readdir(folder)).sort()).toEqual(["config.yaml", "metrics.jsonl"]);
    expect(await readFile(run.metrics.file, "utf8")).toBe('{"step":1,"loss":0.5}\n{"step":2,"loss":0.25}\n');
    expect(await readFile(path.join(folder, "config.yaml"), "utf8")).toBe("train:\n  steps: 2\n");
  });

  it("refuses a new run where there is one, and to resume where there is none", async () => {
    const folder = fresh();
    (await RunFolder.open(folder)).close();
    await expect(RunFolder.open(folder, { resume: true })).rejects.toThrow(/no run in this folder, so there is nothing to resume/);
    await writeFile(path.join(folder, "notes.txt"), "");
    (await RunFolder.open(folder)).close();
    await mkdir(path.join(folder, "checkpoint.old"));
    await expect(RunFolder.open(folder)).rejects.toThrow(/there is a run in this folder already\ncontinue it with --resume/);
    expect((await readdir(folder)).sort()).toEqual(["checkpoint.old", "notes.txt"]);

    const missing = fresh();
    await expect(RunFolder.open(missing, { resume: true })).rejects.toThrow(/nothing to resume/);
    await expect(readdir(missing)).rejects.toThrow();
    await writeFile(missing, "");
    await expect(RunFolder.open(missing)).rejects.toThrow(/is a file, expected a folder/);
  });

  it("resumes from what a crash left, without the lines after the checkpoint", async () => {
    const folder = fresh();
    const run = await RunFolder.open(folder);
    await writeCheckpoint(run.checkpoint, (target) => writeTrainerState(target, state));
    for (let step = 10; step <= 40; step += 10) run.metrics.append({ step });
    run.metrics.append({ event: "evaluation" });
    await writeFile(run.metrics.file, `${await readFile(run.metrics.file, "utf8")}{"step":15,"lo`);
    await mkdir(`${run.checkpoint}.writing`);
    run.close();

    using resumed = await RunFolder.open(folder, { resume: true });
    expect(resumed.resumed).toEqual({ format: 1, ...state });
    expect(await readFile(run.metrics.file, "utf8")).toBe('{"step":10}\n{"step":20}\n{"event":"evaluation"}\n');
    expect((await readdir(folder)).sort()).toEqual(["checkpoint", "lock", "metrics.jsonl"]);
    resumed.metrics.append({ step: 30 });
    expect((await readFile(run.metrics.file, "utf8")).endsWith('{"step":30}\n')).toBe(true);
  });

  it("starts over when the run had not saved yet", async () => {
    const folder = fresh();
    const run = await RunFolder.open(folder);
    await run.saveConfig({});
    run.metrics.append({ step: 5 });
    run.close();
    using resumed = await RunFolder.open(folder, { resume: true });
    expect(resumed.resumed).toBeNull();
    expect(await readFile(run.metrics.file, "utf8")).toBe("");
  });

  it("releases the lock when the checkpoint can't be read", async () => {
    const folder = fresh();
    await mkdir(path.join(folder, "checkpoint"), { recursive: true });
    await expect(RunFolder.open(folder, { resume: true })).rejects.toThrow(/trainer.json: no such file/);
    expect(await readdir(folder)).toEqual(["checkpoint"]);
  });
});

describe("lock", () => {
  it("of a living process is respected, of a dead one taken over", async () => {
    const file = fresh();
    const living = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    const lockOf = (holder: object) => writeFile(file, JSON.stringify({ host: hostname(), since: "then", identity: null, ...holder }));
    await lockOf({ pid: living.pid });
    expect(() => acquireLock(file)).toThrow(new RegExp(`process ${living.pid} has been writing to this folder since then`));
    living.kill("SIGKILL");
    await once(living, "exit");
    const release = acquireLock(file);
    expect(JSON.parse(await readFile(file, "utf8")).pid).toBe(process.pid);
    release();
    await expect(readFile(file)).rejects.toThrow();
  });

  it.runIf(process.platform === "linux")("of an earlier process with the same number is taken over", async () => {
    const file = fresh();
    await writeFile(file, JSON.stringify({ pid: process.pid, host: hostname(), since: "then", identity: "another boot 1" }));
    acquireLock(file)();
  });

  it("of another machine is respected, with advice", async () => {
    const file = fresh();
    await writeFile(file, JSON.stringify({ pid: 1, host: "elsewhere.example", since: "then", identity: null }));
    expect(() => acquireLock(file)).toThrow(/process 1 on elsewhere.example .*\ndelete .* if that process is gone/);
    await writeFile(file, "");
    expect(() => acquireLock(file)).toThrow(/not a lock file of ours/);
  });

  it("isn't released when it has become somebody else's", async () => {
    const file = fresh();
    const release = acquireLock(file);
    await writeFile(file, "theirs");
    release();
    expect(await readFile(file, "utf8")).toBe("theirs");
  });
});

describe("trainer.json", () => {
  it("gives back what was written", async () => {
    const folder = fresh();
    await writeTrainerState(folder, state);
    expect(await readTrainerState(folder)).toEqual({ format: 1, ...state });
  });

  it.each([
    ["{}", /trainer.json: format: /],
    ["null", /trainer.json: contents: /],
    ['{"format":2}', /format 2 is not known to this version, which reads format 1/],
    [JSON.stringify({ format: 1, ...state, step: -1 }), /trainer.json: step: /],
    ["{", /trainer.json: not JSON/],
  ])("%s is refused", async (text, message) => {
    const folder = fresh();
    await mkdir(folder);
    await writeFile(path.join(folder, "trainer.json"), text);
    const error = await readTrainerState(folder).catch((reason) => reason);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toMatch(message);
  });
});
