/**
 * Runs test files of the bundle without vitest: `node run-tests.mjs PATTERN FILE...`, the tests whose full name matches the pattern. Writes
 * one JSON to stdout, { passed, failed, failures: [{ file, name, error }], files: { file: [passed, failed] } }; ends with 1 when one failed.
 */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { runDescribed } from "vitest";

const [pattern, ...files] = process.argv.slice(2);
const result = { passed: 0, failed: 0, failures: [], files: {} };
for (const file of files) {
  const short = path.basename(file);
  const results = [];
  try {
    await import(pathToFileURL(path.resolve(file)).href);
    results.push(...(await runDescribed(new RegExp(pattern))));
  } catch (error) {
    results.push({ name: "the file", error: error.stack ?? String(error) });
  }
  const failures = results.filter(({ error }) => error !== null);
  result.files[short] = [results.length - failures.length, failures.length];
  result.passed += results.length - failures.length;
  result.failed += failures.length;
  result.failures.push(...failures.map((failure) => ({ file: short, ...failure })));
  process.stderr.write(`${short}: ${results.length - failures.length} passed, ${failures.length} failed\n`);
}
console.log(JSON.stringify(result));
process.exitCode = result.failed > 0 ? 1 : 0;
