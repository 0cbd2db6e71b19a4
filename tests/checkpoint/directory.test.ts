import { fork } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findCheckpoint, recoverCheckpoint, resolveModelFolder, writeCheckpoint } from "../../src/checkpoint/directory.js";
import { CheckpointError } from "../../src/checkpoint/error.js";
import { hostTensor, readSafetensors, writeSafetensors } from "../../src/checkpoint/safetensors.js";

const root = { path: "" };
beforeAll(async () => {
  root.path = await mkdtemp(path.join(tmpdir(), "data2vec-"));
});
afterAll(() => rm(root.path, { recursive: true }));

let counter = 0;
async function fresh(): Promise<string> {
  const folder = path.join(root.path, `run${counter++}`);
  await mkdir(folder);
  return folder;
}

const content = (step: number) => async (folder: string) => {
  await writeSafetensors(path.join(folder, "model.safetensors"), new Map([["w", hostTensor([3], new Float32Array(3).fill(step))]]));
  await writeFile(path.join(folder, "config.json"), JSON.stringify({ step }));
};

/** The step of a checkpoint whose two files agree. */
async function stepOf(folder: string): Promise<number> {
  const { step } = JSON.parse(await readFile(path.join(folder, "config.json"), "utf8"));
  const weights = await readSafetensors(path.join(folder, "model.safetensors"));
  expect(weights.get("w")!.data).toEqual(new Float32Array(3).fill(step));
  return step;
}

/** A program that writes one checkpoint after the other, counting up from its second argument. */
async function writerScript(): Promise<string> {
  const library = path.join(root.path, "library");
  const sources = path.join(import.meta.dirname, "../../src/checkpoint");
  await mkdir(library);
  await writeFile(path.join(library, "package.json"), '{"type":"module"}');
  for (const name of ["directory", "error", "files", "json-keys", "safetensors"]) {
    const { outputText } = ts.transpileModule(await readFile(path.join(sources, `${name}.ts`), "utf8"), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    await writeFile(path.join(library, `${name}.js`), outputText);
  }
  const script = path.join(library, "writer.js");
  await writeFile(
    script,
    `import { writeFile } from "node:fs/promises";
    import { writeCheckpoint } from "./directory.js";
    import { hostTensor, writeSafetensors } from "./safetensors.js";
    const [target, start] = process.argv.slice(2);
    for (let step = Number(start) + 1; ; step++) {
      await writeCheckpoint(target, async (folder) => {
        await writeSafetensors(folder + "/model.safetensors", new Map([["w", hostTensor([3], new Float32Array(3).fill(step))]]));
        await writeFile(folder + "/config.json", JSON.stringify({ step }));
      });
      process.send(step);
    }`,
  );
  return script;
}

describe("writeCheckpoint", () => {
  it("replaces the previous one and leaves nothing beside it", async () => {
    const run = await fresh();
    const target = path.join(run, "checkpoint");
    for (const step of [1, 2, 3]) {
      await writeCheckpoint(target, content(step));
      expect(await stepOf(target)).toBe(step);
      expect(await readdir(run)).toEqual(["checkpoint"]);
    }
  });

  it("keeps the previous one when writing fails", async () => {
    const run = await fresh();
    const target = path.join(run, "checkpoint");
    await writeCheckpoint(target, content(1));
    const attempts: [(folder: string) => Promise<void>, RegExp][] = [
      [
        async (folder) => {
          await content(2)(folder);
          throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
        },
        /checkpoint: the disk is full\nthe previous checkpoint takes \d+ bytes; .* are free\nthe checkpoint that was there before is unchanged/,
      ],
      [() => Promise.reject(new Error("device lost")), /device lost\nthe checkpoint that was there before is unchanged/],
      [async () => {}, /nothing was written/],
      [
        async (folder) => {
          await content(2)(folder);
          const file = path.join(folder, "model.safetensors");
          await writeFile(file, (await readFile(file)).subarray(0, -1));
        },
        /truncated/,
      ],
      [(folder) => writeFile(path.join(folder, "trainer.json"), "{"), /trainer.json: not JSON/],
    ];
    for (const [write, message] of attempts) {
      const error = await writeCheckpoint(target, write).catch((reason) => reason);
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toMatch(message);
      expect(await stepOf(target)).toBe(1);
      expect(await readdir(run)).toEqual(["checkpoint"]);
    }
  });

  it("says so when there is no place to write to", async () => {
    const run = await fresh();
    await writeFile(path.join(run, "file"), "");
    await expect(writeCheckpoint(path.join(run, "file", "checkpoint"), content(1))).rejects.toThrow(/checkpoint: .*(file|exist)/);
  });
});

describe("after a crash", () => {
  /** The names in the run folder after each step of writeCheckpoint, and the step a reader must find. */
  const crashes: [string, Record<string, number | "partial">, number | undefined][] = [
    ["while the first one is written", { "checkpoint.writing": "partial" }, undefined],
    ["after the first one was written", { "checkpoint.new": 1 }, 1],
    ["while the second one is written", { checkpoint: 1, "checkpoint.writing": "partial" }, 1],
    ["after the second one was written", { checkpoint: 1, "checkpoint.new": 2 }, 1],
    ["between the two renames", { "checkpoint.old": 1, "checkpoint.new": 2 }, 2],
    ["after the renames", { checkpoint: 2, "checkpoint.old": 1 }, 2],
    ["while the old one is removed", { checkpoint: 2, "checkpoint.old": "partial" }, 2],
    ["with only the old one left", { "checkpoint.old": 1 }, 1],
  ];
  it.each(crashes)("%s, reader, recovery and the next writer find a whole checkpoint", async (_, names, expected) => {
    const run = await fresh();
    for (const [name, step] of Object.entries(names)) {
      await mkdir(path.join(run, name));
      if (step === "partial") await writeFile(path.join(run, name, "model.safetensors"), "part");
      else await content(step)(path.join(run, name));
    }
    const target = path.join(run, "checkpoint");

    const found = await findCheckpoint(target);
    expect(found && (await stepOf(found))).toBe(expected);
    expect((await readdir(run)).sort()).toEqual(Object.keys(names).sort());
    if (found) expect((await resolveModelFolder(run)).folder).toBe(found);

    const copy = `${run}-copy`;
    await cp(run, copy, { recursive: true });
    await recoverCheckpoint(target);
    expect(await readdir(run)).toEqual(expected === undefined ? [] : ["checkpoint"]);
    if (expected !== undefined) expect(await stepOf(target)).toBe(expected);

    await writeCheckpoint(path.join(copy, "checkpoint"), content(9));
    expect(await stepOf(path.join(copy, "checkpoint"))).toBe(9);
    expect(await readdir(copy)).toEqual(["checkpoint"]);
  });

  it("a failing writer keeps what the crash had left", async () => {
    const run = await fresh();
    await mkdir(path.join(run, "checkpoint.old"));
    await content(1)(path.join(run, "checkpoint.old"));
    await expect(writeCheckpoint(path.join(run, "checkpoint"), () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await stepOf(path.join(run, "checkpoint"))).toBe(1);
  });

  it("a process killed at random moments never leaves less than one whole checkpoint", async () => {
    const run = await fresh();
    const target = path.join(run, "checkpoint");
    await writeCheckpoint(target, content(0));
    const script = await writerScript();
    let last = 0;
    for (let round = 0; round < 6; round++) {
      const child = fork(script, [target, String(last)], { stdio: "ignore" });
      await new Promise((resolve) => child.once("message", resolve));
      await new Promise((resolve) => setTimeout(resolve, 5 + 17 * round));
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
      const step = await stepOf((await findCheckpoint(target))!);
      expect(step).toBeGreaterThanOrEqual(last);
      last = step;
    }
    expect(last).toBeGreaterThan(0);
  });
});

describe("resolveModelFolder", () => {
  it("takes a model folder, a run folder, and prefers the best of a run", async () => {
    const run = await fresh();
    await writeCheckpoint(path.join(run, "checkpoint"), content(1));
    expect(await resolveModelFolder(path.join(run, "checkpoint"))).toEqual({ folder: path.join(run, "checkpoint") });
    expect(await resolveModelFolder(run)).toEqual({ folder: path.join(run, "checkpoint"), run });
    await writeCheckpoint(path.join(run, "best"), content(2));
    expect(await resolveModelFolder(run)).toEqual({ folder: path.join(run, "best"), run });
  });

  it("finds a checkpoint folder between the two renames", async () => {
    const run = await fresh();
    await writeCheckpoint(path.join(run, "checkpoint"), content(1));
    await rename(path.join(run, "checkpoint"), path.join(run, "checkpoint.new"));
    expect((await resolveModelFolder(path.join(run, "checkpoint"))).folder).toBe(path.join(run, "checkpoint.new"));
  });

  it("says what is missing", async () => {
    const run = await fresh();
    await expect(resolveModelFolder(path.join(run, "nothing"))).rejects.toThrow(/nothing: no such folder/);
    await expect(resolveModelFolder(run)).rejects.toThrow(/no model: config.json and model.safetensors missing\ngive a run folder/);
    await writeFile(path.join(run, "config.json"), "{}");
    await expect(resolveModelFolder(path.join(run, "config.json"))).rejects.toThrow(/is a file; give the folder/);
    await expect(resolveModelFolder(run)).rejects.toThrow(/no model: model.safetensors missing/);
    await writeFile(path.join(run, "pytorch_model.bin"), "");
    await expect(resolveModelFolder(run)).rejects.toThrow(/pytorch_model.bin is a PyTorch pickle/);
  });
});
