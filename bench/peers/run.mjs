// Measures peers in turns. See README.md, or run it with --help.
import { spawn } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CONFIGS, flops, median, quantile } from "./common.mjs";

const HELP = `node run.mjs [--jobs tiny:fwd,512x768x3072:gemm] [--peers ours-cpu,torch] [--threads 2] [--turns 15] [--turn-seconds 0.4] [--out results.jsonl]
node run.mjs --table results.jsonl

All peers of a job are started, warm up, and then work one after the other for a moment, again and again: whatever slows the machine for longer
than that slows all of them. A ratio is the median over the turns. The peer "peak" takes as long as the operations of a job would at the
multiply-add peak of the native engine's vectors. Results are added to those in --out; --table prints the tables of such a file.`;

const here = dirname(fileURLToPath(import.meta.url));
const python = join(process.env.PEERS_VENV ?? ".venv", "bin/python");
/** How each peer is started, and the modes it has if not all. */
const PEERS = {
  torch: { command: [python, "bench_torch.py"] },
  "torch-compile": {
    command: [python, "bench_torch.py", "--variant", "compile"],
    modes: ["fwd", "train", "pretrain", "attention"],
  },
  "ort-node": { command: ["node", "bench_ort_node.mjs"], modes: ["fwd", "gemm"] },
  "ort-web": { command: ["node", "bench_ort_web.mjs", "--relaxed", "1"], modes: ["fwd", "gemm"] },
  "jax-js": { command: ["node", "bench_jax_js.mjs"], modes: ["fwd", "train", "pretrain", "gemm"] },
  tfjs: { command: ["node", "bench_tfjs.mjs"], modes: ["fwd", "train", "pretrain", "gemm"] },
  "ours-cpu": { command: ["node", "bench_ours.mjs", "--variant", "cpu"] },
  "ours-wasm": { command: ["node", "bench_ours.mjs", "--variant", "wasm"] },
  peak: { command: ["node", "bench_ours.mjs", "--variant", "peak"] },
};
/** Until a peer is warm, and until one turn of it ends. */
const LIMIT_MS = 300_000;
/** Between two turns, so that threads that wait for work go to sleep. */
const PAUSE_MS = 50;

/** A peer at work on a job. */
class Peer {
  #process;
  #lines;
  #errors = "";

  constructor(name, { config, mode, threads, turnSeconds }) {
    const [program, ...script] = PEERS[name].command;
    const job = ["--config", config, "--mode", mode, "--threads", threads, "--json", "--turns", "--turn-seconds", turnSeconds];
    this.name = name;
    this.#process = spawn(program, [...script, ...job.map(String)], { cwd: here, stdio: ["pipe", "pipe", "pipe"] });
    this.#process.on("error", (error) => (this.#errors += `${error.message}\n`));
    this.#process.stdin.on("error", () => {});
    this.#process.stderr.on("data", (data) => (this.#errors += data));
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** The next line that begins so. */
  async line(start) {
    const limit = setTimeout(() => this.#process.kill("SIGKILL"), LIMIT_MS);
    try {
      for (;;) {
        const { value, done } = await this.#lines.next();
        if (done) throw new Error(this.#errors.split("\n").find((line) => /Error/.test(line)) ?? `ended without "${start}"`);
        if (value.startsWith(start)) return value;
      }
    } finally {
      clearTimeout(limit);
    }
  }

  /** Milliseconds of a call, the median of one turn. */
  async turn() {
    this.#process.stdin.write("go\n");
    return Number((await this.line("turn ")).slice(5));
  }

  async finish() {
    this.#process.stdin.end("end\n");
    return JSON.parse(await this.line("{"));
  }

  kill() {
    this.#process.kill("SIGKILL");
  }
}

/** All peers of one job: a row for each. */
async function measure(job, names, turns) {
  const peers = [];
  const failed = [];
  const drop = (peer, error) => {
    peer.kill();
    if (peers.includes(peer)) peers.splice(peers.indexOf(peer), 1);
    failed.push({ name: peer.name, ...job, error: error.message.slice(0, 120) });
  };
  const times = new Map(names.map((name) => [name, []]));
  for (const name of names) {
    const peer = new Peer(name, job);
    try {
      await peer.line("ready");
      peers.push(peer);
    } catch (error) {
      drop(peer, error);
    }
  }
  for (let turn = 0; turn < turns; turn++) {
    for (const peer of turn % 2 === 0 ? [...peers] : [...peers].reverse()) {
      try {
        times.get(peer.name).push(await peer.turn());
      } catch (error) {
        drop(peer, error);
      }
      await sleep(PAUSE_MS);
    }
  }
  const rows = [];
  for (const peer of peers) rows.push({ name: peer.name, ...job, ...(await peer.finish()), turns: times.get(peer.name) });
  return [...rows, ...failed];
}

const significant = (x) => (x >= 100 ? x.toFixed(0) : x.toPrecision(3));

function table(rows) {
  console.log(
    "| config | mode | threads | peer | ms | GFLOP/s | quartiles of the turns, ms |\n| --- | --- | --- | --- | --- | --- | --- |",
  );
  const jobs = new Map();
  for (const row of rows) {
    const { run, config, mode, threads, name, turns, error } = row;
    const job = `${config} | ${mode} | ${threads}`;
    // Only peers that took turns with each other can be compared.
    const together = `${run} ${job}`;
    jobs.set(together, { job, measured: [...(jobs.get(together)?.measured ?? []), row] });
    const shown = error
      ? `${error} | |`
      : `${significant(median(turns))} | ${significant(flops(config, mode) / median(turns) / 1e6)} | ` +
        `${significant(quantile(turns, 0.25))} to ${significant(quantile(turns, 0.75))}`;
    console.log(`| ${job} | ${name} | ${shown} |`);
  }
  console.log(
    "\nTimes as fast (quartiles of the turns):\n\n| config | mode | threads | engine | peer | ratio |\n| --- | --- | --- | --- | --- | --- |",
  );
  for (const { job, measured } of jobs.values()) {
    const done = measured.filter(({ error }) => error === undefined);
    for (const ours of done.filter(({ name }) => name.startsWith("ours"))) {
      for (const peer of done.filter((row) => row !== ours)) {
        const ratios = peer.turns.map((ms, turn) => ms / ours.turns[turn]);
        const [low, ratio, high] = [0.25, 0.5, 0.75].map((at) => quantile(ratios, at).toFixed(2));
        console.log(`| ${job} | ${ours.name} | ${peer.name} | ${ratio} (${low} to ${high}) |`);
      }
    }
  }
}

const { values: options } = parseArgs({
  options: {
    jobs: {
      type: "string",
      default:
        "tiny:fwd,tiny:train,tiny:pretrain,small:fwd,small:train,small:pretrain,base:fwd,base:train,base:pretrain,512x768x768:gemm,512x768x3072:gemm",
    },
    peers: { type: "string", default: Object.keys(PEERS).join(",") },
    threads: { type: "string", default: String(cpus().length) },
    turns: { type: "string", default: "15" },
    "turn-seconds": { type: "string", default: "0.4" },
    out: { type: "string", default: join(here, "results.jsonl") },
    table: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit();
}
if (options.table !== undefined) {
  table(readFileSync(options.table, "utf8").trim().split("\n").map(JSON.parse));
  process.exit();
}
const names = options.peers.split(",");
for (const name of names) if (!(name in PEERS)) throw new Error(`--peers: ${name}: expected some of ${Object.keys(PEERS).join(", ")}`);
const jobs = options.jobs.split(",");
const known = new RegExp(`^((${Object.keys(CONFIGS).join("|")}):(fwd|train|pretrain)|\\d+x\\d+x\\d+:gemm|\\d+x\\d+x\\d+x\\d+:attention)$`);
for (const job of jobs)
  if (!known.test(job))
    throw new Error(`--jobs: ${job}: expected some like tiny:fwd, small:train, 512x768x3072:gemm or 4x197x12x64:attention`);
for (const name of ["threads", "turns", "turn-seconds"]) {
  if (!(Number(options[name]) > 0)) throw new Error(`--${name}: expected a number above 0, got ${options[name]}`);
}
const out = resolve(options.out);
appendFileSync(out, ""); // fails now rather than after the first job
const run = new Date().toISOString();
const rows = [];
for (const [config, mode] of jobs.map((job) => job.split(":"))) {
  const having = names.filter((name) => PEERS[name].modes?.includes(mode) ?? true);
  const job = { run, config, mode, threads: Number(options.threads), turnSeconds: Number(options["turn-seconds"]) };
  for (const row of await measure(job, having, Number(options.turns))) {
    rows.push(row);
    appendFileSync(out, `${JSON.stringify(row)}\n`);
    console.error(`${config} ${mode} ${row.name}: ${row.error ?? `${row.ms} ms, ${row.gflops} GFLOP/s`}`);
  }
}
table(rows);
