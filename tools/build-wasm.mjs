// Compiles wasm/main.c into dist/wasm/: data2vec.wasm (SIMD128) and data2vec-relaxed.wasm (with relaxed SIMD), and wasm/resample.c into
// resample.wasm. No system compiler needed.
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outputFolder = join(root, "dist", "wasm");
const engine = [
  ...["-matomics", "-mbulk-memory", "-mbulk-memory-opt", "-mmutable-globals", "-Wl,--import-memory", "-Wl,--shared-memory"],
  ...["-Wl,--max-memory=4294967296", "-Wl,-z,stack-size=262144", "-Iinclude", "wasm/main.c"],
  ...["__stack_pointer", "__heap_base", ...kernelNames()].map((name) => `-Wl,--export=${name}`),
];
const variants = [
  { file: "data2vec.wasm", flags: engine },
  { file: "data2vec-relaxed.wasm", flags: [...engine, "-mrelaxed-simd"] },
  { file: "resample.wasm", flags: ["-Wl,--export=resample", "-Wl,--export=__heap_base", "-Wl,-z,stack-size=4096", "wasm/resample.c"] },
];

/** Everything under a folder as the compiler package wants it: names to contents, folders nested. */
function readTree(folder) {
  const entries = readdirSync(folder, { withFileTypes: true });
  return Object.fromEntries(
    entries.map((entry) => [entry.name, entry.isDirectory() ? readTree(join(folder, entry.name)) : readFileSync(join(folder, entry.name))]),
  );
}

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function isCurrent(sources) {
  try {
    const oldest = Math.min(...variants.map(({ file }) => statSync(join(outputFolder, file)).mtimeMs));
    return oldest >= Math.max(...sources.map(newest));
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw error;
  }
}

/** Kernel names from the x-macro of include/kernels.h. */
function kernelNames() {
  const header = readFileSync(join(root, "include", "kernels.h"), "utf8");
  const list = /#define DATA2VEC_KERNELS\(X\)((?:.*\\\n)*.*\n)/.exec(header)?.[1] ?? "";
  const names = [...list.matchAll(/X\((\w+)\)/g)].map((match) => match[1]);
  if (names.length === 0) throw new Error("include/kernels.h: no DATA2VEC_KERNELS(X) list found");
  return names;
}

async function compile({ file, flags }, clang, files) {
  let messages = "";
  const decoder = new TextDecoder();
  const stderr = (bytes) => {
    if (bytes !== null) messages += decoder.decode(bytes, { stream: true });
  };
  const args = [
    ...["--target=wasm32", "-std=c11", "-nostdlib", "-ffreestanding", "-O3", "-fno-math-errno", "-fno-strict-aliasing"],
    ...["-Wall", "-Wextra", "-Werror", "-msimd128", "-Wl,--no-entry", "-Wl,--stack-first", "-Wl,--strip-debug", ...flags, "-o", "out.wasm"],
  ];
  let tree;
  try {
    tree = await clang(args, files, { stderr, stdout: stderr });
  } catch (error) {
    throw new Error(`tools/build-wasm.mjs: compiling ${file} failed\n${messages || error.stack}`);
  }
  const bytes = tree["out.wasm"];
  if (!WebAssembly.validate(bytes) && !flags.includes("-mrelaxed-simd"))
    throw new Error(`tools/build-wasm.mjs: ${file} is not a valid module`);
  mkdirSync(outputFolder, { recursive: true });
  const temporary = join(outputFolder, `${file}.${process.pid}.tmp`);
  writeFileSync(temporary, bytes);
  renameSync(temporary, join(outputFolder, file));
}

async function main() {
  const compilerPackage = join(root, "node_modules", "@yowasp", "clang", "package.json");
  const sources = [join(root, "wasm"), join(root, "include", "kernels.h"), fileURLToPath(import.meta.url), compilerPackage];
  let current;
  try {
    current = isCurrent(sources);
  } catch (error) {
    if (error.code === "ENOENT" && error.path === compilerPackage) throw new Error("@yowasp/clang is not installed\nrun npm ci");
    throw error;
  }
  if (current) return;
  const { commands, runLLVM } = await import("@yowasp/clang");
  await runLLVM(null, {}, { fetchProgress: () => {} }); // loads the compiler without its progress lines
  const files = { wasm: readTree(join(root, "wasm")), include: readTree(join(root, "include")) };
  for (const variant of variants) await compile(variant, commands.clang, files);
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
