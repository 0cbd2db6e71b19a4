/**
 * Makes one self-contained folder for a machine that has a GPU and its driver, and nothing else: Node, the built package with its addon and
 * dependencies, the tests of kernels as plain scripts, sample data. `npm run gpu:bundle [FOLDER]` (default build-gpu/data2vec-gpu), then
 * there: `./verify`.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("../..", import.meta.url));
const target = path.resolve(process.argv[2] ?? path.join(root, "build-gpu/data2vec-gpu"));
const ADDON = "build-native/Release/data2vec.node";
const EMULATED = "build-emulated/Release/cuda-emulated.node";
const COPIED = [
  "dist",
  "include",
  "package.json",
  "LICENSE",
  "NOTICE",
  ADDON,
  "examples/data",
  "tests/golden",
  "native/cuda/typed-kernels.h",
];
const TRAINING = ["captured.test.ts", "bf16.test.ts", "small-pretraining.ts", "small-run.ts"].map((name) => `train/${name}`);
const TESTS = ["devices.ts", "ops", "golden", ...TRAINING, "modalities/speech-clips.ts"];

for (const needed of ["dist/index.js", ADDON]) {
  if (!existsSync(path.join(root, needed))) throw new Error(`${needed} is missing: run \`npm run build\` and \`npm run build:native\``);
}
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
/** Without what only compilers and debuggers read. */
const filter = (source) => !/\.(d\.[cm]?ts|map)$/.test(source);
const copy = (from, to = from) => cpSync(path.join(root, from), path.join(target, to), { recursive: true, dereference: true, filter });

for (const entry of COPIED) copy(entry);
if (existsSync(path.join(root, EMULATED))) copy(EMULATED);
execFileSync("strip", ["--strip-unneeded", path.join(target, ADDON)]);

const dependencies = execFileSync("npm", ["ls", "--omit=dev", "--all", "--parseable"], { cwd: root, encoding: "utf8" })
  .trim()
  .split("\n")
  .slice(1);
for (const name of [...dependencies.map((folder) => path.relative(root, folder)), "node_modules/fast-check", "node_modules/pure-rand"]) {
  copy(name);
}
mkdirSync(path.join(target, "node_modules/vitest"), { recursive: true });
writeFileSync(
  path.join(target, "node_modules/vitest/package.json"),
  JSON.stringify({ name: "vitest", type: "module", exports: "./vitest.mjs" }),
);
cpSync(path.join(root, "tools/gpu/vitest.mjs"), path.join(target, "node_modules/vitest/vitest.mjs"));

/** Compiles a test, or the tests of a folder; what they import of src is in dist. */
function compile(entry) {
  const source = path.join(root, "tests", entry);
  if (statSync(source).isDirectory()) {
    for (const name of readdirSync(source))
      if (name.endsWith(".ts") || statSync(path.join(source, name)).isDirectory()) compile(path.join(entry, name));
    return;
  }
  if (!entry.endsWith(".ts")) return;
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  const { outputText } = ts.transpileModule(readFileSync(source, "utf8"), { compilerOptions: options });
  const to = path.join(target, "tests", entry.replace(/\.ts$/, ".js"));
  mkdirSync(path.dirname(to), { recursive: true });
  writeFileSync(to, outputText.replace(/(["'])((?:\.\.\/)+)src\//g, "$1$2dist/"));
}
for (const entry of TESTS) compile(entry);

for (const script of ["run-tests.mjs", "verify.mjs", "bench.mjs", "peer_torch.py"])
  cpSync(path.join(root, "tools/gpu", script), path.join(target, script));
cpSync(process.execPath, path.join(target, "node"), { dereference: true });
writeFileSync(path.join(target, "commit"), execFileSync("git", ["describe", "--always", "--dirty", "--abbrev=12"], { cwd: root }));
writeFileSync(path.join(target, "verify"), '#!/bin/sh\ncd "$(dirname "$0")" && exec ./node verify.mjs "$@"\n', { mode: 0o755 });

const archive = `${target}.tar.xz`;
rmSync(archive, { force: true });
execFileSync("tar", ["-cJf", archive, "-C", path.dirname(target), path.basename(target)], { env: { ...process.env, XZ_OPT: "-T2 -3" } });
const mib = (bytes) => (bytes / 2 ** 20).toFixed(1);
console.log(`${target}\n${archive}: ${mib(statSync(archive).size)} MiB`);
