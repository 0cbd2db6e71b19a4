import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ADDON_PATHS,
  kernelsHash,
  loadNative,
  PREBUILT_PACKAGE,
  prebuiltAddon,
  probeAddon,
  probeNative,
} from "../../src/backend/native.js";

const probe = await probeNative();
const missing = "error" in probe ? probe.error : "";

describe("probe of the native addon", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "data2vec-addon-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A stand-in for an addon: the child loads it with require, which takes a module as well. */
  function addon(name: string, source: string): string {
    const path = join(folder, name);
    writeFileSync(path, source);
    return path;
  }

  it("says how to build an addon that isn't there", async () => {
    expect(await probeAddon([join(folder, "absent.node")])).toEqual({ error: expect.stringMatching(/not built.*npm run build:native/) });
  });

  it("survives an addon that crashes the process", async () => {
    const crash = addon("crash.cjs", "process.kill(process.pid, 'SIGSEGV'); setTimeout(() => {}, 10_000);");
    expect(await probeAddon([crash])).toEqual({ error: expect.stringContaining("crash.cjs: crashed with SIGSEGV") });
  });

  it("ends an addon that hangs", async () => {
    const hang = addon("hang.cjs", "for (;;);");
    expect(await probeAddon([hang], 500)).toEqual({ error: expect.stringContaining("hang.cjs: no answer within 0.5 s") });
  });

  it("names the error of a file that is no addon", async () => {
    const garbage = addon("garbage.node", "this is not a shared library");
    expect(await probeAddon([garbage])).toEqual({ error: expect.stringMatching(/garbage\.node: Error: .*build it again/) });
  });

  /** What a working addon exports. */
  const working = (hash = kernelsHash()) =>
    `Object.assign(exports, { kernelsHash: "${hash}", cudaDevices: () => (${JSON.stringify(report)}), cpuInstructionSets: () => ["A"] });`;
  const report = { compiled: false, driverVersion: 0, runtimeVersion: 0, reason: "none", devices: [] };

  it("names an addon that answers with something else", async () => {
    const chatty = addon("chatty.cjs", `process.stdout.write('hello'); ${working()}`);
    expect(await probeAddon([chatty])).toEqual({ error: expect.stringMatching(/chatty\.cjs: .*JSON/) });
  });

  it("refuses an addon built from other sources, whose kernels may take other arguments", async () => {
    const stale = addon("stale.cjs", working("0123"));
    expect(await probeAddon([stale])).toEqual({ error: expect.stringMatching(/stale\.cjs: Error: .*other sources.*npm run build:native/) });
  });

  it("finds an installed package with a prebuilt addon, where there is one", () => {
    expect(PREBUILT_PACKAGE).toBe(`@data2vec/${process.platform}-${process.arch}`);
    const installed = join(folder, "node_modules", PREBUILT_PACKAGE);
    const from = pathToFileURL(join(folder, "node_modules/data2vec/dist/backend/native.js"));
    expect(prebuiltAddon(from)).toEqual([]);
    mkdirSync(installed, { recursive: true });
    writeFileSync(join(installed, "package.json"), JSON.stringify({ name: PREBUILT_PACKAGE, main: "data2vec.node" }));
    writeFileSync(join(installed, "data2vec.node"), "");
    expect(prebuiltAddon(from)).toEqual([realpathSync(join(installed, "data2vec.node"))]);
  });

  it("gathers the errors and goes on to the next addon", async () => {
    const broken = addon("broken.cjs", "throw new TypeError('no such symbol');");
    const path = addon("working.cjs", working());
    expect(await probeAddon([broken, path])).toEqual({ path, cuda: report, instructionSets: ["A"] });
    expect(await probeAddon([broken, broken])).toEqual({ error: expect.stringMatching(/no such symbol.*no such symbol/) });
  });
});

it.runIf(ADDON_PATHS.some((path) => existsSync(path)))("the addon that was built here works, and is no older than the sources", () => {
  expect(missing).toBe("");
});

describe.skipIf(missing)(`native addon${missing && ` (${missing})`}`, () => {
  it("loads here as it did in the child, and reports CUDA devices or why there are none", async () => {
    const cuda = (await loadNative()).cudaDevices();
    expect(probe).toMatchObject({ cuda });
    expect(cuda.devices.length > 0).toBe(cuda.reason === "");
    for (const device of cuda.devices) {
      expect(device).toMatchObject({ name: expect.any(String), computeCapability: expect.stringMatching(/^\d+\.\d+$/) });
      expect(device.memoryBytes).toBeGreaterThan(0);
      expect(device.multiprocessors).toBeGreaterThan(0);
    }
  });
});

describe.runIf(missing)("without the native addon", () => {
  it("throws what is missing and how to get it", async () => {
    await expect(loadNative()).rejects.toThrow(missing);
  });
});
