/**
 * The registers, stack, spills and shared memory of each CUDA kernel on sm_90a, as a table. `node tools/cuda-registers.mjs LOG` takes them from
 * the output of a whole build with `npm run build:native -- --CDDATA2VEC_CUDA_RESOURCES=ON` and writes native/cuda/registers.json; with
 * `--check` it ends with 1 when the table says something else, so that a kernel that begins to spill is noticed. Numbers of different versions
 * of nvcc can't be compared: then `--check` says so and ends with 0.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ARCHITECTURE = "sm_90a";
const TABLE = fileURLToPath(new URL("../native/cuda/registers.json", import.meta.url));
const [log] = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));

const nvcc = /V(\d+\.\d+\.\d+)/.exec(execFileSync("nvcc", ["--version"], { encoding: "utf8" }))[1];
const ENTRY =
  /Compiling entry function '(\S+)' for '(\w+)'\n[\s\S]*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads\n.*?Used (\d+) registers(?:.*?(\d+) bytes smem)?/g;
const found = [...readFileSync(log, "utf8").matchAll(ENTRY)].filter((match) => match[2] === ARCHITECTURE);
if (found.length === 0) throw new Error(`${log} names no kernel of ${ARCHITECTURE}: build all of it with --CDDATA2VEC_CUDA_RESOURCES=ON`);
const names = execFileSync("c++filt", { input: found.map((match) => match[1]).join("\n"), encoding: "utf8" })
  .trim()
  .split("\n");
/** "void data2vec::cuda::(anonymous namespace)::name<float>(...)" as "name<float>". */
function plain(name) {
  let depth = 0;
  let end = name.length;
  do {
    end--;
    depth += name[end] === ")" ? 1 : name[end] === "(" ? -1 : 0;
  } while (depth > 0 && end > 0);
  return name
    .slice(0, end)
    .replaceAll(/data2vec::cuda::|\(anonymous namespace\)::/g, "")
    .replace(/^void /, "");
}
const kernels = Object.fromEntries(
  found
    .map(([, , , stack, stores, loads, registers, shared], i) => {
      const spilled = Number(stores) + Number(loads);
      return [plain(names[i]), { registers: Number(registers), stack: Number(stack), spilled, shared: Number(shared ?? 0) }];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1)),
);

if (!process.argv.includes("--check")) {
  const lines = Object.entries(kernels).map(([name, use]) => `  ${JSON.stringify(name)}: ${JSON.stringify(use)}`);
  writeFileSync(TABLE, `{\n "nvcc": "${nvcc}",\n "architecture": "${ARCHITECTURE}",\n "kernels": {\n${lines.join(",\n")}\n }\n}\n`);
  const spilling = Object.entries(kernels).filter(([, { spilled }]) => spilled > 0);
  console.log(
    `${lines.length} kernels, ${spilling.length} spill${spilling.map(([name, { spilled }]) => `\n  ${name}: ${spilled} bytes`).join("")}`,
  );
} else {
  const before = existsSync(TABLE) ? JSON.parse(readFileSync(TABLE, "utf8")) : { nvcc: "none" };
  if (before.nvcc !== nvcc) {
    console.log(`native/cuda/registers.json is of nvcc ${before.nvcc}, this is ${nvcc}: not compared`);
  } else {
    const all = [...new Set([...Object.keys(before.kernels), ...Object.keys(kernels)])];
    const changed = all.filter((name) => JSON.stringify(before.kernels[name]) !== JSON.stringify(kernels[name]));
    for (const name of changed) console.error(`${name}: ${JSON.stringify(before.kernels[name])} -> ${JSON.stringify(kernels[name])}`);
    if (changed.length > 0) console.error("if that is meant, run `node tools/cuda-registers.mjs LOG`");
    process.exitCode = changed.length > 0 ? 1 : 0;
  }
}
