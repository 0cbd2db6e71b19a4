/** Runs the built command line as a user would, on a data set and a network small enough for a fraction of a second. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import sharp from "sharp";

const MAIN = path.resolve("dist/cli/main.js");

/** How a command ended. */
export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A command that is running. */
export interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
}

/** Starts a command. */
export function start(...args: string[]): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, DATA2VEC_DEBUG: "", NO_COLOR: "1" },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended };
}

/** Runs a command to its end. */
export function cli(...args: string[]): Promise<Ended> {
  return start(...args).ended;
}

/** The last line on stdout, which a command given `--json` writes. */
export function jsonOf({ code, stdout, stderr }: Ended) {
  const last = stdout.trimEnd().split("\n").at(-1)!;
  try {
    return JSON.parse(last);
  } catch {
    throw new Error(`exit code ${code}, no JSON but ${JSON.stringify(last)}\n${stderr}`);
  }
}

/** Waits until something holds; the test's own time limit ends it. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await setTimeout(10);
}

/** An empty folder below the system's temporary one. */
export function temporaryFolder(): string {
  return mkdtempSync(path.join(tmpdir(), "data2vec-cli-"));
}

/** Writes labelled images, 12 x 12 in colour: `train` and `test`, each with a dark and a bright class of `count` images. */
export async function writeImages(folder: string, count = 8): Promise<void> {
  for (const split of ["train", "test"]) {
    for (const [label, level] of [
      ["bright", 200],
      ["dark", 40],
    ] as const) {
      const place = path.join(folder, split, label);
      mkdirSync(place, { recursive: true });
      for (let i = 0; i < count; i++) {
        const background = { r: level + 5 * (i % 8), g: level, b: 255 - level };
        const image = sharp({ create: { width: 12, height: 12, channels: 3, background } });
        await image.png().toFile(path.join(place, `${i}.png`));
      }
    }
  }
}

/** Settings of a very small network on those images; each log line is written, and nothing is saved before the end. */
export const SMALL = [
  "--threads=1",
  "--set",
  ...["model.imageSize=8", "model.dim=8", "model.depth=2", "model.heads=2", "model.averageTopKLayers=2", "model.maskMinPatches=1"],
  ...["data.workers=0", "train.batchSize=4", "train.logEvery=1"],
];
