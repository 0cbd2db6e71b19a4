/** The part of vitest that the tests of kernels use, for machines where there is only Node: see run-tests.mjs. */
import { isDeepStrictEqual } from "node:util";

class Suite {
  before = [];
  after = [];
  entries = [];
  constructor(name, parent) {
    this.name = name;
    this.parent = parent;
  }
  get path() {
    return this.parent === null ? [] : [...this.parent.path, this.name];
  }
}

let root = new Suite("", null);
let current = root;

const format = (name, row) => {
  const values = Array.isArray(row) ? [...row] : [row];
  const text = String(name).replace(/%[sdji]/g, () => String(values.shift()));
  return text.replace(/\$(\w+)/g, (all, key) => String(row?.[key] ?? all));
};
const argumentsOf = (row) => (Array.isArray(row) ? row : [row]);

export function describe(name, body) {
  const outer = current;
  current = new Suite(name, outer);
  outer.entries.push(current);
  try {
    body();
  } finally {
    current = outer;
  }
}
describe.each = (rows) => (name, body) => {
  for (const row of rows) describe(format(name, row), () => body(...argumentsOf(row)));
};
describe.skipIf = (skip) => (skip ? () => {} : describe);

export function it(name, ...rest) {
  current.entries.push({ name, body: rest.find((part) => typeof part === "function") });
}
it.each =
  (rows) =>
  (name, ...rest) => {
    const body = rest.find((part) => typeof part === "function");
    for (const row of rows) it(format(name, row), () => body(...argumentsOf(row)));
  };
it.skip = () => {};
it.skipIf = (skip) => (skip ? () => {} : it);
export const test = it;
export const beforeAll = (body) => void current.before.push(body);
export const afterAll = (body) => void current.after.push(body);

const show = (value) => {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
};
const messageMatches = (error, wanted) => {
  if (wanted === undefined) return true;
  if (typeof wanted === "function") return error instanceof wanted;
  return wanted instanceof RegExp ? wanted.test(error.message) : String(error?.message).includes(wanted);
};
const thrownBy = (body) => {
  try {
    body();
    return null;
  } catch (error) {
    return { error };
  }
};

const MATCHERS = {
  toBe: (actual, wanted) => Object.is(actual, wanted),
  toEqual: isDeepStrictEqual,
  toBeNull: (actual) => actual === null,
  toBeNaN: (actual) => Number.isNaN(actual),
  toBeDefined: (actual) => actual !== undefined,
  toBeGreaterThan: (actual, wanted) => actual > wanted,
  toBeGreaterThanOrEqual: (actual, wanted) => actual >= wanted,
  toBeLessThan: (actual, wanted) => actual < wanted,
  toBeLessThanOrEqual: (actual, wanted) => actual <= wanted,
  toBeCloseTo: (actual, wanted, digits = 2) => Math.abs(actual - wanted) < 10 ** -digits / 2,
  toHaveLength: (actual, wanted) => actual.length === wanted,
  toContain: (actual, wanted) => actual.includes(wanted),
  toMatch: (actual, wanted) => (wanted instanceof RegExp ? wanted.test(actual) : actual.includes(wanted)),
  toThrow: (actual, wanted) => {
    const thrown = typeof actual === "function" ? thrownBy(actual) : actual;
    return thrown !== null && messageMatches(thrown.error, wanted);
  },
};

function matchersOf(actual, negated, message) {
  return Object.fromEntries(
    Object.entries(MATCHERS).map(([name, matches]) => [
      name,
      (...wanted) => {
        if (matches(actual, ...wanted) !== negated) return;
        const what = `expected ${show(actual)} ${negated ? "not " : ""}${name} ${wanted.map(show).join(", ")}`;
        throw new Error(message === undefined ? what : `${message}: ${what}`);
      },
    ]),
  );
}

export function expect(actual, message) {
  const rejects = new Proxy(
    {},
    {
      get:
        (_, name) =>
        async (...wanted) => {
          const settled = await actual.then(
            () => null,
            (error) => ({ error }),
          );
          matchersOf(settled, false, message)[name](...wanted);
        },
    },
  );
  return { ...matchersOf(actual, false, message), not: matchersOf(actual, true, message), rejects };
}

/** Runs what was described since the last call, the tests whose full name matches: { name, error } of each, error null where it passed. */
export async function runDescribed(pattern) {
  const results = [];
  const selected = (suite) =>
    suite.entries.some((entry) => (entry instanceof Suite ? selected(entry) : pattern.test([...suite.path, entry.name].join(" "))));
  const run = async (suite) => {
    if (!selected(suite)) return;
    let failed = null;
    try {
      for (const body of suite.before) await body();
    } catch (error) {
      failed = error;
    }
    for (const entry of suite.entries) {
      if (entry instanceof Suite) {
        if (failed === null) await run(entry);
        continue;
      }
      const name = [...suite.path, entry.name].join(" ");
      if (!pattern.test(name)) continue;
      let error = failed;
      if (error === null) {
        try {
          await entry.body({ skip: () => {} });
        } catch (thrown) {
          error = thrown;
        }
      }
      results.push({ name, error: error === null ? null : String(error?.message ?? error).slice(0, 500) });
    }
    for (const body of suite.after.reverse()) await body();
  };
  const described = root;
  root = current = new Suite("", null);
  await run(described);
  return results;
}
