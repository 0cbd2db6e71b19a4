/**
 * Packs the native addon that `npm run build:native` made as the npm package for this kind of machine, so that others need no compiler.
 *
 *   node tools/prebuilt.mjs TARGET_DIR
 *
 * makes TARGET_DIR/data2vec-PLATFORM-ARCH-VERSION.tgz. Installed beside data2vec of the same version (`npm install FILE.tgz`), the addon is
 * found and used; one of other sources is refused, as any addon is. To publish it, list the package under `optionalDependencies`.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const addon = path.join(root, "build-native/Release/data2vec.node");
const [target] = process.argv.slice(2);
if (target === undefined) {
  console.error("usage: node tools/prebuilt.mjs TARGET_DIR");
  process.exit(2);
}
if (!existsSync(addon)) {
  console.error("there is no addon yet: run `npm run build:native` first");
  process.exit(1);
}

const { version, license, engines } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const kind = `${process.platform}-${process.arch}`;
const description = `The native addon of data2vec for ${kind}: CPU and CUDA engines.`;
const folder = mkdtempSync(path.join(tmpdir(), "data2vec-prebuilt-"));
try {
  const manifest = {
    name: `@data2vec/${kind}`,
    version,
    description,
    license,
    engines,
    os: [process.platform],
    cpu: [process.arch],
    ...(process.platform === "linux" ? { libc: ["glibc"] } : {}),
    main: "data2vec.node",
    files: ["data2vec.node"],
  };
  writeFileSync(path.join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(path.join(folder, "README.md"), `# @data2vec/${kind}\n\n${description} data2vec finds it by itself.\n`);
  copyFileSync(addon, path.join(folder, "data2vec.node"));
  copyFileSync(path.join(root, "LICENSE"), path.join(folder, "LICENSE"));
  mkdirSync(target, { recursive: true });
  const [{ filename, size }] = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--pack-destination", path.resolve(target)], { cwd: folder, encoding: "utf8" }),
  );
  console.log(`${path.join(target, path.basename(filename).replace("@", "").replace("/", "-"))}: ${(size / 1e6).toFixed(1)} MB`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
