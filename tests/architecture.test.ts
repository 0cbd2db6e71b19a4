/** Holds the house to its rules: imports run downward, the two kernel lists agree, and an op has the same name in every layer. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";

/** Folders of src from the lowest up; a folder imports only from those before its own line. */
const LAYERS = [
  ["backend", "config"],
  ["tensor", "data"],
  ["ops"],
  ["nn"],
  ["checkpoint"],
  ["data2vec"],
  ["modalities"],
  ["tasks"],
  ["train"],
  ["cli"],
  ["index.ts"],
];
/** Folders that may use less than what lies below them. */
const NARROWER: Record<string, string[]> = { data: ["backend/philox.ts"], checkpoint: ["nn", "tensor"] };

const rank = new Map(LAYERS.flatMap((folders, i) => folders.map((folder) => [folder, i] as const)));
const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"));
const imports = sources.flatMap((file) =>
  [...readFileSync(join("src", file), "utf8").matchAll(/\bfrom "(\.[^"]+)"|\bimport\("(\.[^"]+)"\)/g)].map((match) => ({
    from: file,
    to: relative("src", join("src", dirname(file), match[1] ?? match[2])).replace(/\.js$/, ".ts"),
  })),
);
const folderOf = (file: string) => file.split("/")[0];

describe("imports", () => {
  it("finds every folder of src in the list of layers", () => {
    expect([...new Set(sources.map(folderOf))].filter((folder) => !rank.has(folder))).toEqual([]);
  });

  it("run downward only", () => {
    const upward = imports.filter(
      ({ from, to }) => folderOf(from) !== folderOf(to) && rank.get(folderOf(to))! >= rank.get(folderOf(from))!,
    );
    expect(upward).toEqual([]);
  });

  it("keep data and checkpoint to what they may use", () => {
    const outside = imports.filter(({ from, to }) => {
      const allowed = NARROWER[folderOf(from)];
      return allowed && folderOf(from) !== folderOf(to) && !allowed.includes(to) && !allowed.includes(folderOf(to));
    });
    expect(outside).toEqual([]);
  });

  it("never lead from one modality to another", () => {
    const modality = (file: string) => /^modalities\/([^/]+)\//.exec(file)?.[1];
    expect(imports.filter(({ from, to }) => modality(from) && modality(to) && modality(from) !== modality(to))).toEqual([]);
  });
});

const camelCase = (name: string) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
const header = readFileSync("include/kernels.h", "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
const listed = [...header.matchAll(/\bX\((\w+)\)/g)].map((match) => match[1]);

describe("kernels", () => {
  it("are the same in the header's list, its prototypes and the TypeScript interface, argument by argument", () => {
    const prototypes = [...header.matchAll(/^void (\w+)\(([^)]*)\);/gm)].map(([, name, list]) => ({
      name: camelCase(name),
      parameters: list.split(",").map((parameter) => {
        const [, pointer, word] = /(\*?)(\w+)\s*$/.exec(parameter)!;
        return `${camelCase(word)}: ${pointer ? "Pointer" : "number"}`;
      }),
    }));
    const body = /interface Kernels \{([\s\S]*?)\n\}/.exec(readFileSync("src/backend/kernels.ts", "utf8"))![1];
    const methods = [...body.matchAll(/(\w+)\(([^)]*)\): void;/g)].map(([, name, list]) => ({
      name,
      parameters: list
        .split(",")
        .map((parameter) => parameter.trim())
        .filter((parameter) => parameter !== ""),
    }));
    expect(listed.length).toBeGreaterThan(0);
    expect(prototypes.map(({ name }) => name)).toEqual(listed.map(camelCase));
    expect(methods).toEqual(prototypes);
  });

  it("have a file of the same name in every layer", () => {
    const stems = [...new Set(listed.map((name) => name.replace(/_grad(_\w+)?$/, "").replaceAll("_", "-")))];
    const wanted = stems.flatMap((stem) => [`src/backend/reference/${stem}.ts`, `wasm/kernels/${stem}.c`, `tests/ops/${stem}.test.ts`]);
    expect(wanted.filter((file) => !existsSync(file))).toEqual([]);
    const cuda = stems.filter(
      (stem) => !existsSync(`native/cuda/kernels/${stem}.cu`) && !existsSync(`native/cuda/kernels/${stem}/${stem}.cu`),
    );
    expect(cuda).toEqual([]);
  });
});

describe("docs/gpu.md", () => {
  it("says of each kernel what the results say", () => {
    expect(execFileSync(process.execPath, ["tools/gpu/table.mjs", "--check"], { encoding: "utf8" })).toBe("");
  });
});
