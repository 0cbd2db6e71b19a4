/**
 * Writes the table of docs/gpu.md: where and when each kernel was last verified on a device, from the results of `verify` in bench/results/
 * (names beginning with gpu-). `node tools/gpu/table.mjs` writes it, with `--check` it ends with 1 when the page says something else.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const PAGE = at("docs/gpu.md");
const BEGIN = "<!-- kernels: written by tools/gpu/table.mjs -->";
const END = "<!-- end of kernels -->";
const NEVER = "compiled and emulated, never run on a GPU";

const header = readFileSync(at("include/kernels.h"), "utf8");
const kernels = [...header.replace(/\/\*[\s\S]*?\*\//g, "").matchAll(/\bX\((\w+)\)/g)].map((match) => match[1]);
const stemOf = (kernel) => kernel.replace(/_grad(_\w+)?$/, "").replaceAll("_", "-");

const results = readdirSync(at("bench/results"))
  .filter((name) => /^gpu-.*\.json$/.test(name))
  .map((name) => JSON.parse(readFileSync(at(`bench/results/${name}`), "utf8")))
  .filter(({ device }) => device !== null)
  .sort((a, b) => (a.date < b.date ? 1 : -1));

/** The last run in which all tests of the op passed, in both types of activations. */
function verified(stem) {
  for (const { checks, date, commit, device } of results) {
    const outcome = (check) => checks.find(({ name }) => name === check)?.files?.[`${stem}.test.js`] ?? [0, 0];
    const [passed, failed] = outcome("ops");
    if (passed > 0 && failed + outcome("ops in bf16")[1] === 0) return `${date.slice(0, 10)}, ${device.name}, ${commit}`;
  }
  return NEVER;
}

const stems = [...new Set(kernels.map(stemOf))];
const rows = stems.map((stem) => `| ${kernels.filter((kernel) => stemOf(kernel) === stem).join(", ")} | ${verified(stem)} |`);
const table = [BEGIN, "", "| kernels | last verified |", "| --- | --- |", ...rows, "", END].join("\n");
const page = readFileSync(PAGE, "utf8");
const from = page.indexOf(BEGIN);
const to = page.indexOf(END);
if (from < 0 || to < 0) throw new Error(`${PAGE}: the lines ${BEGIN} and ${END} are missing`);
const wanted = page.slice(0, from) + table + page.slice(to + END.length);
if (!process.argv.includes("--check")) writeFileSync(PAGE, wanted);
else if (wanted !== page) {
  console.error("docs/gpu.md is not what the results say: run `node tools/gpu/table.mjs`");
  process.exitCode = 1;
}
