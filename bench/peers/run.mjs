// Interleaved driver. node run.mjs [--jobs tiny:fwd,small:train,gemm] [--threads 1,2] [--peers torch,ours-cpu,...] [--rounds 3] [--max-s 20] [--wait-s 60] [--out results.jsonl]
// node run.mjs --table results.jsonl prints the table of an earlier run. Each round runs every peer once (A B C A B C ...).
import { spawnSync } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { args } from "./common.mjs";

const here = dirname(fileURLToPath(import.meta.url)),
  a = args(),
  rounds = Number(a.rounds ?? 3),
  list = (s) => String(s).split(",");
const python = join(process.env.PEERS_VENV ?? ".venv", "bin/python");
// name -> command and the modes it has
const PEERS = {
  torch: { cmd: [python, "bench_torch.py"] },
  "torch-compile": { cmd: [python, "bench_torch.py", "--variant", "compile"], modes: ["fwd", "train", "pretrain"] },
  "ort-node": { cmd: ["node", "bench_ort_node.mjs"], modes: ["fwd", "gemm"] },
  "ort-web": { cmd: ["node", "bench_ort_web.mjs", "--relaxed", "1"], modes: ["fwd", "gemm"] },
  "jax-js": { cmd: ["node", "bench_jax_js.mjs"] },
  tfjs: { cmd: ["node", "bench_tfjs.mjs"] },
  "tfjs-stock": { cmd: ["node", "bench_tfjs.mjs", "--variant", "stock"], modes: ["fwd", "train", "pretrain"] },
  "ours-cpu": { cmd: ["node", "bench_ours.mjs", "--variant", "cpu"] },
  "ours-wasm": { cmd: ["node", "bench_ours.mjs", "--variant", "wasm"] },
};
const names = a.peers ? list(a.peers) : Object.keys(PEERS).filter((n) => n !== "tfjs-stock");
const jobs = list(a.jobs ?? "tiny:fwd,tiny:train,tiny:pretrain,small:fwd,small:train,small:pretrain,base:fwd,base:train,base:pretrain,gemm")
  .flatMap((j) => (j === "gemm" ? ["512x768x768:gemm", "512x768x3072:gemm"] : [j]))
  .map((j) => j.split(":"));
const threads = list(a.threads === 1 && !process.argv.includes("--threads") ? "1,2" : a.threads),
  out = resolve(a.out ?? join(here, "results.jsonl"));
const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
const busy = () => {
  const v = readFileSync("/proc/stat", "utf8").split("\n")[0].trim().split(/\s+/).slice(1, 9).map(Number);
  return (v.reduce((x, y) => x + y) - v[3] - v[4]) / 100;
};
/** Waits up to --wait-s seconds for one in which enough cores are idle. */
function quiet(t) {
  for (let i = 0; i < (a["wait-s"] ?? 60); i++) {
    const b = busy();
    sleep(1000);
    if (busy() - b < cpus().length - t + 0.15) return;
  }
}

/** Others may use the cores that the run leaves idle, no more. */
const undisturbed = (r) => r.other_cores < cpus().length - r.threads + 0.1;

function table(rows) {
  const med = (v) => {
    const s = [...v].sort((x, y) => x - y);
    return s.length % 2 ? s[s.length >> 1] : (s[s.length / 2 - 1] + s[s.length / 2]) / 2;
  };
  const groups = new Map();
  for (const r of rows) {
    const k = [r.config, r.mode, r.threads, r.name].join("|");
    groups.set(k, [...(groups.get(k) ?? []), r]);
  }
  console.log(
    "| config | mode | threads | peer | images/s | ms median | ms min | GFLOP/s | runs | others' cores |\n|---|---|---|---|---|---|---|---|---|---|",
  );
  const medians = new Map();
  for (const g of groups.values()) {
    const ok = g.filter((r) => r.ms),
      q = ok.filter(undisturbed),
      u = q.length ? q : ok,
      r = g[0],
      f = (x) => (x >= 100 ? x.toFixed(0) : x.toPrecision(3));
    if (!ok.length) console.log(`| ${r.config} | ${r.mode} | ${r.threads} | ${r.name} | - | ${r.error} | | | | |`);
    else {
      const ms = med(u.map((r) => r.ms));
      const job = [r.config, r.mode, r.threads].join(" | ");
      medians.set(job, { ...medians.get(job), [r.name]: ms });
      console.log(
        `| ${r.config} | ${r.mode} | ${r.threads} | ${r.name} | ${r.images_per_s ? f((u[0].images_per_s * u[0].ms) / ms) : ""} | ${f(ms)} | ${f(Math.min(...u.map((r) => r.min_ms)))} | ${f((u[0].gflops * u[0].ms) / ms)} | ${u.length} of ${ok.length}${q.length ? "" : " (disturbed)"} | ${med(u.map((r) => r.other_cores)).toFixed(2)} |`,
      );
    }
  }

  const peers = [...new Set(rows.map((r) => r.name))].filter((name) => !name.startsWith("ours"));
  console.log(
    `\nTimes as fast as each peer:\n\n| config | mode | threads | engine | ${peers.join(" | ")} |\n|---|---|---|---|${"---|".repeat(peers.length)}`,
  );
  for (const [job, ms] of medians)
    for (const name of Object.keys(ms).filter((name) => name.startsWith("ours")))
      console.log(`| ${job} | ${name} | ${peers.map((peer) => (peer in ms ? (ms[peer] / ms[name]).toFixed(2) : "")).join(" | ")} |`);
}
if (a.table === true) {
  console.error("--table: expected the file of an earlier run, such as --table results.jsonl");
  process.exit(2);
}
if (a.table) {
  table(
    readFileSync(a.table, "utf8")
      .trim()
      .split("\n")
      .map((l) => JSON.parse(l)),
  );
  process.exit();
}
const rows = [];
if (!a.append) writeFileSync(out, "");
for (let round = 1; round <= rounds; round++)
  for (const [config, mode] of jobs)
    for (const t of threads)
      for (const name of names) {
        const p = PEERS[name];
        if (!p) throw new Error("no peer " + name);
        if (p.modes && !p.modes.includes(mode)) continue;
        let row;
        for (let attempt = 0; attempt < 2; attempt++) {
          // once more when somebody else used the cores
          quiet(Number(t));
          const r = spawnSync(
            p.cmd[0],
            [...p.cmd.slice(1), "--config", config, "--mode", mode, "--threads", t, "--max-s", String(a["max-s"] ?? 20), "--json"],
            { cwd: here, encoding: "utf8", timeout: Number(a["limit-s"] ?? 300) * 1000 },
          );
          const line = (r.stdout ?? "").split("\n").findLast((l) => l.startsWith("{"));
          row = {
            name,
            round,
            config,
            mode,
            threads: Number(t),
            load1: loadavg()[0],
            ...(line
              ? JSON.parse(line)
              : {
                  error:
                    r.error?.code ??
                    (r.stderr ?? "")
                      .split("\n")
                      .find((l) => /Error/.test(l))
                      ?.slice(0, 90) ??
                    "exit " + r.status,
                }),
          };
          if (row.error || undisturbed(row)) break;
        }
        rows.push(row);
        appendFileSync(out, JSON.stringify(row) + "\n");
        console.error(
          `${round} ${config} ${mode} ${t}T ${name}: ${row.error ?? `${row.ms} ms, ${row.gflops} GFLOP/s, others ${row.other_cores}`}`,
        );
      }
table(rows);
