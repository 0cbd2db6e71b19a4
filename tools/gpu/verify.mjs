/**
 * Verifies the CUDA engine on the machine it runs on, in under 8 minutes, and writes one JSON: `./verify [--out FILE] [--emulated]`. The op
 * tests of every kernel in float32 and in bfloat16 and the golden cases against the reference, training in bfloat16 beside float32, captured
 * training against training as it is, 200 steps of each modality beside the native CPU engine's, kernel benchmarks and steps of the base
 * models, PyTorch on the same steps where Python has it, and the op tests under compute-sanitizer where that is installed. Ends with 1 when
 * something failed, or when there is no device. `--emulated` runs all tests over the emulation, to try the bundle itself.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import { engines } from "./dist/backend/doctor.js";
import { probeNative } from "./dist/backend/native.js";

const run = promisify(execFile);
const HELP = `./verify [--out results.json] [--emulated]

Verifies the CUDA engine on this machine, in under 8 minutes, and writes what it found to a JSON file.
--emulated runs all tests over the emulation of a GPU, to try the bundle itself.`;
const options = parseOptions();
const STEPS = 200;
const DATA = { vision: "fashion-mnist", speech: "gcin-voice/train", text: "wordnet" };
/** Largest difference of the mean loss over the last 20 steps from the CPU engine's, relative to it: the same curve but for rounding. */
const CURVE_TOLERANCE = 0.02;
const BASE_BATCH = { vision: 64, speech: 4, text: 32 };
/** Seconds of each sample of speech: what the published batches amount to. */
const SPEECH_SECONDS = 15.6;
const TEXT_TOKENS = 512;
/** What the steps of the base models are timed in: both of what tensor cores take. */
const STEP_PRECISIONS = ["bf16", "tf32"];
/** Of the base models: 12 layers of this width. */
const [DEPTH, DIM] = [12, 768];
/** Operations of a product. */
const product = (rows, inDim, outDim) => 2 * rows * inDim * outDim;
/** Of the blocks: the student forward and backward, which is twice as much, and the teacher forward. */
const blocks = (tokens) => 4 * DEPTH * tokens * (24 * DIM ** 2 + 4 * tokens * DIM);
/** Ends the process after --help, and where an option isn't one of these. */
function parseOptions() {
  try {
    const { values } = parseArgs({
      options: {
        out: { type: "string", default: "results.json" },
        emulated: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (!values.help) return values;
    console.log(HELP);
    process.exit();
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}
/** Of the extractor, which the teacher doesn't run, and the projection of its frames; the first convolution passes no gradient on. */
function frontEnd(samples) {
  let [frames, operations, width] = [samples, 0, 1];
  for (const [kernel, stride] of [[10, 5], ...Array(4).fill([3, 2]), ...Array(2).fill([2, 2])]) {
    frames = Math.floor((frames - kernel) / stride) + 1;
    operations += (width === 1 ? 2 : 3) * product(frames, width * kernel, 512);
    width = 512;
  }
  return { frames, operations: operations + 3 * product(frames, width, DIM) };
}
/** Of the head, on the share of positions that is hidden as a rule. */
const head = (positions, factor) => 3 * product(positions, DIM, factor * DIM);
const speech = frontEnd(SPEECH_SECONDS * 16_000);
/** Useful floating-point operations of a data2vec step of a base model, per sample. */
const STEP_FLOPS = {
  vision: blocks(197) + 3 * product(196, DIM, DIM) + head(0.6 * 196, 1),
  // Five positional convolutions of 19 taps in 16 groups, in student and teacher.
  speech: blocks(speech.frames) + speech.operations + 4 * 5 * product(speech.frames, (DIM / 16) * 19, DIM) + head(0.49 * speech.frames, 1),
  text: blocks(TEXT_TOKENS) + head(0.15 * TEXT_TOKENS, 4),
};
/** Seconds after which no more checks are begun. */
const BUDGET = 400;
/** The emulation takes minutes where a device takes seconds. */
const PATIENCE = options.emulated ? 6 : 1;
const SANITIZED = ["add", "average-layer", "attention", "embedding", "layer-norm", "linear", "regression", "residual", "squared-norm"];

const results = { date: new Date().toISOString(), commit: readFileSync("commit", "utf8").trim(), node: process.version, checks: [] };
const note = (text) => process.stderr.write(`${text}\n`);

/** Runs a program; what it wrote to stdout even when it ended with an error, which then is beside it. */
async function output(program, args, seconds) {
  const settings = { timeout: 1000 * seconds, killSignal: "SIGKILL", maxBuffer: 2 ** 28 };
  try {
    return { stdout: (await run(program, args, settings)).stdout, error: null };
  } catch (error) {
    const reason = error.killed ? `took longer than ${seconds} s` : (error.stderr ?? error.message).trim().split("\n").slice(-3).join("\n");
    return { stdout: error.stdout ?? "", error: reason };
  }
}

/** Adds the result of a check; `body` returns its values, with `ok`. */
async function check(name, body) {
  note(`== ${name}`);
  const started = performance.now();
  if (started > 1000 * BUDGET * PATIENCE) {
    results.checks.push({ name, seconds: 0, ok: true, skipped: `begun after ${BUDGET * PATIENCE} s` });
    return;
  }
  let result;
  try {
    result = await body();
  } catch (error) {
    result = { ok: false, error: error.message };
  }
  results.checks.push({ name, seconds: Math.round((performance.now() - started) / 1000), ...result });
  note(`   ${result.ok ? "ok" : `FAILED: ${result.error ?? JSON.stringify(result.failures?.slice(0, 3))}`}`);
}

const testFiles = (folder, names) =>
  readdirSync(`tests/${folder}`)
    .filter((name) => name.endsWith(".test.js") && (names?.includes(name.replace(".test.js", "")) ?? true))
    .map((name) => `tests/${folder}/${name}`);

async function tests(engine, files, seconds, [program, ...first] = [process.execPath]) {
  const { stdout, error } = await output(program, [...first, "run-tests.mjs", engine, ...files], seconds);
  const line = stdout.split("\n").find((candidate) => candidate.startsWith('{"passed"'));
  if (line === undefined) return { ok: false, error };
  const outcome = JSON.parse(line);
  return { ok: outcome.failed === 0 && outcome.passed > 0 && (error === null || first.length === 0), ...outcome };
}

async function losses(modality, device, folder) {
  const out = path.join(folder, `${modality}-${device}`);
  const data = `examples/data/${DATA[modality]}`;
  const settings = ["--steps", String(STEPS), "--set", "train.logEvery=1", "--device", device];
  const { error } = await output(
    process.execPath,
    ["dist/cli/main.js", "pretrain", modality, "--data", data, "--out", out, "--preset", "tiny", ...settings],
    120,
  );
  if (error !== null) throw new Error(`${modality} on ${device}: ${error}`);
  return readFileSync(path.join(out, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).loss);
}

/** Speed of whole steps of the base preset; the last 20 of them count. `rate`: of a matrix product alone, in TFLOP/s, for the share of it. */
async function baseSteps(modality, folder, precision, rate) {
  const out = path.join(folder, `base-${modality}-${precision}`);
  const settings = ["train.logEvery=1", "train.accumulate=1"];
  settings.push(modality === "text" ? `data.batchTokens=${TEXT_TOKENS * BASE_BATCH.text}` : "data.workers=8");
  const batch = BASE_BATCH[modality];
  if (modality !== "speech") settings.push("train.warmupSteps=2", `train.batchSize=${batch}`);
  else {
    const clips = ["data.minSeconds=0.1", `data.joinSeconds=${SPEECH_SECONDS}`, `data.maxSeconds=${SPEECH_SECONDS}`];
    settings.push(...clips, `data.batchSeconds=${batch * SPEECH_SECONDS}`);
  }
  const flags = ["--preset", "base", "--steps", "30", "--device", "cuda", "--precision", precision, "--set", ...settings];
  const data = `examples/data/${DATA[modality]}`;
  const { error } = await output(process.execPath, ["dist/cli/main.js", "pretrain", modality, "--data", data, "--out", out, ...flags], 90);
  if (error !== null) return { ok: false, error };
  const last = JSON.parse(readFileSync(path.join(out, "metrics.jsonl"), "utf8").trim().split("\n").at(-1));
  const { samplesPerSecond } = last;
  const usefulTeraflops = (samplesPerSecond * STEP_FLOPS[modality]) / 1e12;
  const shareOfProducts = rate === undefined ? null : usefulTeraflops / rate;
  return { ok: Number.isFinite(last.loss), precision, batch, samplesPerSecond, usefulTeraflops, shareOfProducts };
}

/** PyTorch's best on the same steps, and how many times as fast we were. */
async function torchSteps(ours) {
  const probe = await output("python3", ["-c", "import torch; assert torch.cuda.is_available()"], 20);
  if (probe.error !== null) return { ok: true, skipped: "Python has no torch that finds the device" };
  const sizes = Object.entries(BASE_BATCH).map((entry) => entry.join("="));
  const { stdout, error } = await output("python3", ["peer_torch.py", "--batch", sizes.join(","), "--limit", "60"], 70);
  const lines = stdout.split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"));
  if (lines.length === 0) return { ok: false, error };
  const peer = JSON.parse(lines.at(-1));
  const best = (modality) => Math.max(...peer.rows.filter((row) => row.case === modality).map((row) => row.samplesPerSecond ?? 0));
  const ratio = (modality) => (best(modality) > 0 ? ours[modality] / best(modality) : null);
  const ratios = Object.fromEntries(Object.keys(ours).map((modality) => [modality, ratio(modality)]));
  return { ok: true, ratios, ...peer };
}

async function curve(modality, folder) {
  const [cuda, cpu] = [await losses(modality, "cuda", folder), await losses(modality, "cpu", folder)];
  const last = (values) => values.slice(-20).reduce((sum, value) => sum + value / 20, 0);
  const difference = Math.abs(last(cuda) - last(cpu)) / last(cpu);
  const tenth = (values) => values.filter((_, i) => i % 10 === 0);
  return {
    ok: cuda.length === STEPS && difference <= CURVE_TOLERANCE,
    difference,
    first: [cuda[0], cpu[0]],
    cuda: tenth(cuda),
    cpu: tenth(cpu),
  };
}

function save() {
  results.ok = results.checks.length > 0 && results.checks.every(({ ok }) => ok);
  writeFileSync(options.out, `${JSON.stringify(results, null, 1)}\n`);
  note(`${options.out}: ${results.checks.filter(({ ok }) => ok).length} of ${results.checks.length} checks ok`);
  process.exitCode = results.ok ? 0 : 1;
}

const probe = await probeNative();
const cuda = (await engines()).find(({ name }) => name === "cuda");
results.device = cuda.available ? probe.cuda.devices[0] : null;
results.engine = cuda.reason;
if (!("error" in probe)) results.versions = { driver: probe.cuda.driverVersion, runtime: probe.cuda.runtimeVersion };
note(`${results.commit}: ${cuda.reason}`);
if (results.device === null && !options.emulated) {
  note("no device: nothing was verified");
  save();
} else {
  const engine = options.emulated ? "on '?cuda emulated" : "on '?cuda device";
  const [full, half] = [`${engine}(?! bf16)`, `${engine} bf16`];
  await check("ops", () => tests(full, testFiles("ops"), 150 * PATIENCE));
  await check("ops in bf16", () => tests(half, testFiles("ops"), 60 * PATIENCE));
  await check("golden", () => tests(full, testFiles("golden"), 100 * PATIENCE));
  await check("training in bf16", () => tests(half, ["tests/train/bf16.test.js"], 60 * PATIENCE));
  await check("captured equals eager", () => tests(engine, ["tests/train/captured.test.js"], 100 * PATIENCE));
  if (!options.emulated) {
    const folder = mkdtempSync(path.join(tmpdir(), "data2vec-"));
    for (const modality of Object.keys(DATA)) await check(`${STEPS} steps of ${modality}`, () => curve(modality, folder));
    const products = {};
    for (const precision of ["f32", ...STEP_PRECISIONS]) {
      await check(`benchmark ${precision}`, async () => {
        const { stdout, error } = await output(process.execPath, ["bench.mjs", "100", precision], 60);
        if (error !== null) return { ok: false, error };
        const result = JSON.parse(stdout);
        products[precision] = result.kernels.find(({ kernel }) => kernel === "linear").teraflops;
        return { ok: true, ...result };
      });
    }
    const speeds = {};
    for (const precision of STEP_PRECISIONS) {
      for (const modality of Object.keys(DATA)) {
        await check(`base steps of ${modality} in ${precision}`, async () => {
          const result = await baseSteps(modality, folder, precision, products[precision]);
          if (result.ok) speeds[modality] = Math.max(speeds[modality] ?? 0, result.samplesPerSecond);
          return result;
        });
      }
    }
    await check("PyTorch", () => torchSteps(speeds));
    rmSync(folder, { recursive: true, force: true });
    const sanitizer = await output("compute-sanitizer", ["--version"], 10);
    for (const tool of sanitizer.error === null ? ["memcheck", "racecheck"] : []) {
      await check(`compute-sanitizer ${tool}`, () =>
        tests(engine, testFiles("ops", SANITIZED), 60, ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", process.execPath]),
      );
    }
    results.sanitizer = sanitizer.error === null ? "ran" : "compute-sanitizer is not installed";
  }
  save();
}
