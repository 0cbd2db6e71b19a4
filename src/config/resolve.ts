/** Puts a configuration together: a preset, then a recipe for the data, then a YAML file, then single settings; checked once, every error naming its place. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isMap, isScalar, LineCounter, parse, parseDocument, stringify } from "yaml";
import type { z } from "zod";
import { nearest } from "./nearest.js";
import { type ConfigKey, configKeys } from "./schema.js";

/** A configuration that can't be used; one line for each thing that is wrong with it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Values in the nested form of the schema, and a name for them in messages. */
export interface ConfigLayer {
  /** "preset tiny", "the model in runs/a". */
  name: string;
  values: object;
}

/** Where the values of a configuration come from; later ones win. */
export interface ConfigSources {
  preset: ConfigLayer;
  /** Published settings for the data, over the preset. */
  recipe?: ConfigLayer;
  /** Path of a YAML file. */
  file?: string;
  /** Settings as "train.batchSize=32"; the value is read as YAML (numbers, true, null, [1, 2], text). */
  set?: readonly string[];
  /** Values that can't be changed any more, such as the architecture of a trained model; they win over the preset. */
  fixed?: ConfigLayer;
}

interface Setting {
  value: unknown;
  /** Where it was written: "recipe.yaml:3:5", "--set train.steps=0". */
  where: string;
}

/**
 * The effective configuration.
 *
 * @throws ConfigError listing every unknown key (with the nearest valid one), value out of range, YAML error (line and column) and
 * changed fixed value
 */
export async function resolveConfig<S extends z.ZodType>(schema: S, sources: ConfigSources): Promise<z.output<S>> {
  const keys = configKeys(schema);
  const problems: string[] = [];
  const settings = new Map<string, Setting>();
  const add = (key: string, setting: Setting) => {
    if (keys.has(key)) settings.set(key, setting);
    else problems.push(`${setting.where}: ${unknownKey(key, keys)}`);
  };

  for (const layer of [sources.preset, sources.recipe]) {
    for (const [key, value] of layer ? flatten(layer.values, keys) : []) add(key, { value, where: layer!.name });
  }
  const chosen = new Set<string>();
  const choose = (key: string, setting: Setting) => {
    add(key, setting);
    chosen.add(key);
  };
  if (sources.file !== undefined) for (const [key, setting] of await readYaml(sources.file, keys)) choose(key, setting);
  for (const text of sources.set ?? []) choose(...parseSetting(text, keys));
  for (const [key, value] of sources.fixed ? flatten(sources.fixed.values, keys) : []) {
    const other = settings.get(key);
    if (chosen.has(key) && other && canonical(other.value) !== canonical(value)) {
      problems.push(`${other.where}: ${key} is ${show(value)} in ${sources.fixed!.name} and can't be changed to ${show(other.value)}`);
    } else {
      add(key, { value, where: sources.fixed!.name });
    }
  }

  const result = schema.safeParse(nest(settings));
  const seen = new Set<string>();
  for (const issue of result.error?.issues ?? []) {
    const key = leafOf(issue.path, keys);
    if (seen.has(key)) continue;
    seen.add(key);
    const setting = settings.get(key);
    const complaint = issue.code === "custom" ? issue.message : expected(keys.get(key), setting);
    problems.push(`${setting ? `${setting.where}: ` : ""}${key}: ${complaint}`);
  }
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return result.data as z.output<S>;
}

/** A configuration as YAML, in the order of the schema; {@link resolveConfig} reads it back. */
export function formatConfig(config: object): string {
  return stringify(config, { collectionStyle: "any", flowCollectionPadding: false, lineWidth: 140 });
}

/** A short fingerprint that changes whenever a value does, and not with the order of the keys. */
export function configHash(config: object): string {
  return createHash("sha256").update(canonical(config)).digest("hex").slice(0, 16);
}

/** The keys in which two configurations differ, each as "train.steps: 100, was 50". */
export function configChanges(before: object, after: object): string[] {
  const old = new Map(flatten(before));
  const now = new Map(flatten(after));
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((key) => canonical(old.get(key)) !== canonical(now.get(key)))
    .map((key) => `${key}: ${show(now.get(key))}, was ${show(old.get(key))}`);
}

async function readYaml(file: string, keys: Map<string, ConfigKey>): Promise<[string, Setting][]> {
  const text = await readFile(file, "utf8").catch((error) => {
    throw new ConfigError(`${file}: can't be read: ${error.code === "ENOENT" ? "no such file" : error.message}`);
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    const messages = document.errors.map(({ pos, message }) => `${at(pos[0])}: ${message.split(/ at line |\n/)[0]}`);
    throw new ConfigError(messages.join("\n"));
  }
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) return [];
  const result: [string, Setting][] = [];
  const visit = (node: unknown, path: string) => {
    if (!isMap(node)) throw new ConfigError(`${file}: expected sections with keys, such as "train:" over "  steps: 100"`);
    for (const pair of node.items) {
      const key = path + String(isScalar(pair.key) ? pair.key.value : pair.key);
      const offset = (pair.key as { range?: [number, number, number] } | null)?.range?.[0] ?? 0;
      const isSection = !keys.has(key) && [...keys.keys()].some((known) => known.startsWith(`${key}.`));
      const empty = pair.value === null || (isScalar(pair.value) && pair.value.value === null);
      if (isSection && isMap(pair.value)) visit(pair.value, `${key}.`);
      else if (isSection && !empty) throw new ConfigError(`${at(offset)}: ${key}: expected a section with keys under it`);
      else if (!isSection) result.push([key, { value: toValue(pair.value, document, at(offset)), where: at(offset) }]);
    }
  };
  visit(document.contents, "");
  return result;
}

function toValue(node: unknown, document: ReturnType<typeof parseDocument>, where: string): unknown {
  try {
    const value = node === null ? null : (node as { toJS(document: unknown): unknown }).toJS(document);
    JSON.stringify(value);
    return value;
  } catch (error) {
    // An alias to a value that contains it, or one alias too many.
    throw new ConfigError(`${where}: ${(error as Error).message.split("\n")[0]}`);
  }
}

function parseSetting(text: string, keys: Map<string, ConfigKey>): [string, Setting] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new ConfigError(`--set ${text}: expected KEY=VALUE, such as train.batchSize=32`);
  const key = text.slice(0, equals).trim();
  const raw = text.slice(equals + 1).trim();
  const where = `--set ${text}`;
  if (raw === "") throw new ConfigError(`${where}: there is no value after "="; write null for none`);
  if (keys.get(key)?.textual && raw !== "null") return [key, { value: raw, where }];
  try {
    return [key, { value: parse(raw), where }];
  } catch {
    throw new ConfigError(`${where}: ${JSON.stringify(raw)} is neither a number, a word nor a list such as [0.5, 1]`);
  }
}

function expected(key: ConfigKey | undefined, setting: Setting | undefined): string {
  const accepts = key?.accepts ?? "a section";
  return setting ? `expected ${accepts}, got ${show(setting.value)}` : `missing: expected ${accepts}`;
}

function unknownKey(key: string, keys: Map<string, ConfigKey>): string {
  const meant = nearest(key, keys.keys());
  if (meant !== undefined) return `unknown key ${key}; did you mean ${meant}?`;
  const section = `${key.split(".")[0]}.`;
  const inSection = [...keys.keys()].filter((known) => known.startsWith(section));
  return `unknown key ${key}; known are ${(inSection.length > 0 ? inSection : [...keys.keys()]).join(", ")}`;
}

/** Leaves of a nested object; what isn't in `keys` counts as a leaf once it is no section. */
function* flatten(values: object, keys?: Map<string, ConfigKey>, path = ""): Generator<[string, unknown]> {
  for (const [name, value] of Object.entries(values)) {
    const key = path + name;
    if (!keys?.has(key) && typeof value === "object" && value !== null && !Array.isArray(value)) yield* flatten(value, keys, `${key}.`);
    else if (value !== undefined) yield [key, value];
  }
}

function nest(settings: Map<string, Setting>): object {
  const root: Record<string, unknown> = {};
  for (const [key, { value }] of settings) {
    const path = key.split(".");
    const last = path.pop()!;
    let section = root;
    for (const name of path) section = (section[name] ??= {}) as Record<string, unknown>;
    section[last] = value;
  }
  return root;
}

function leafOf(path: readonly PropertyKey[], keys: Map<string, ConfigKey>): string {
  for (let length = path.length; length > 0; length--) {
    const key = path.slice(0, length).join(".");
    if (keys.has(key)) return key;
  }
  return path.join(".");
}

function show(value: unknown): string {
  if (value === undefined) return "not set";
  const text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "undefined";
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, child]) => `${JSON.stringify(key)}:${canonical(child)}`).join(",")}}`;
}
