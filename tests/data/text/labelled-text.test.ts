/** Labelled texts: every format, the columns, classes and scores, GLUE's files, encoding and batches. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeExample, LabelledTextLoader } from "../../../src/data/text/example.js";
import { GLUE_TASKS, type GlueName, glueTask, openGlue } from "../../../src/data/text/glue.js";
import { balancedTexts, holdOutTexts, type LabelledText, subsetOfText } from "../../../src/data/text/labelled-text.js";
import { type LabelledTextOptions, openLabelledText, textSplits } from "../../../src/data/text/open-labelled-text.js";
import type { Tokenizer } from "../../../src/data/text/tokenizer.js";
import { trainTokenizer } from "../../../src/data/text/train-tokenizer.js";
import { METRICS } from "../../../src/tasks/metrics/metrics.js";
import { sentences } from "./corpus-text.js";

let root: string;
let tokenizer: Tokenizer;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "labelled-"));
  tokenizer = await trainTokenizer(sentences(100), { vocab: 400 });
});
afterAll(() => rm(root, { recursive: true }));

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const file = join(root, name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}

const all = (set: LabelledText) =>
  Array.from({ length: set.size }, (_, i) => [set.text(i), set.textPair(i), set.scored ? set.score(i) : set.label(i)]);

const ROWS = [
  ['he said "no"', "a, b", "yes"],
  ["zwei\u00a0 drei", "", "no"],
  ["日本", 'x ""y"""', "yes"],
] as const;

function parquet(columns: Record<string, unknown[]>): Uint8Array {
  return new Uint8Array(parquetWriteBuffer({ columnData: Object.entries(columns).map(([name, data]) => ({ name, data })) as never }));
}

describe("tables", () => {
  it("hold the same as TSV, CSV, JSON lines and Parquet", async () => {
    const header = ["id", "premise", "hypothesis", "label"];
    const quote = (field: string) => `"${field.replaceAll('"', '""')}"`;
    const files = {
      "x.tsv": [header, ...ROWS.map((row, i) => [i, ...row])].map((row) => row.join("\t")).join("\n"),
      "x.csv": `${header.join(",")}\r\n${ROWS.map((row, i) => [i, ...row.map(quote)].join(",")).join("\r\n")}\r\n`,
      "x.jsonl": ROWS.map(([premise, hypothesis, label]) => JSON.stringify({ label, premise, hypothesis })).join("\n"),
      "x.tsv.gz": gzipSync([header, ...ROWS.map((row, i) => [i, ...row])].map((row) => row.join("\t")).join("\n")),
      "x.parquet": parquet({ premise: ROWS.map(([a]) => a), hypothesis: ROWS.map(([, b]) => b), label: ROWS.map(([, , c]) => c) }),
    };
    const expected = ROWS.map(([a, b, label]) => [a, b, label === "yes" ? 1 : 0]);
    for (const [name, content] of Object.entries(files)) {
      const set = await openLabelledText(await write(name, content));
      expect(all(set), name).toEqual(expected);
      expect(set.classes).toEqual(["no", "yes"]);
      expect(set.description).toContain(`${name} (3 pairs of texts, 2 classes)`);
      expect([set.pairs, set.scored, set.skipped]).toEqual([true, false, 0]);
      expect(set.name(1)).toContain(name === "x.parquet" ? "x.parquet: row 2" : name.startsWith("x.jsonl") ? "x.jsonl:2" : `${name}:3`);
    }
  });

  it("in CSV may have line ends, commas and quotation marks in fields", async () => {
    const csv = 'text,class\n"a\nb ""c"", d",1\n\nplain,0\n"",1\n';
    const set = await openLabelledText(await write("quoted.csv", csv));
    expect(all(set)).toEqual([
      ['a\nb "c", d', null, 1],
      ["plain", null, 0],
      ["", null, 1],
    ]);
    expect([0, 1, 2].map((i) => set.name(i).split(":").at(-1))).toEqual(["2", "5", "6"]);
  });

  it("in CSV give back whatever was written", async () => {
    const field = fc.string({ unit: fc.constantFrom('"', ",", "\n", "a", " ", "'") });
    await fc.assert(
      fc.asyncProperty(fc.array(field, { minLength: 2, maxLength: 8 }), async (fields) => {
        const rows = fields.map((text, i) => `"${text.replaceAll('"', '""')}",${i % 2}`);
        const set = await openLabelledText(await write("any.csv", ["text,label", ...rows].join("\n")));
        expect(Array.from({ length: set.size }, (_, i) => set.text(i))).toEqual(fields);
      }),
    );
  });

  it.each<[string, string | Uint8Array, LabelledTextOptions, string]>([
    ["short.tsv", "text\tlabel\nfine\t1\nbroken\n", {}, "short.tsv:3: expected 2 fields (text, label), got 1"],
    ["open.csv", 'text,label\n"never closed,1\nmore,2\n', {}, "open.csv:2: a quotation mark is opened and never closed"],
    ["after.csv", 'text,label\n"a"b,1\n', {}, "after.csv:2: expected a comma after the closing quotation mark, got b"],
    ["other.tsv", "body\tlabel\nx\t1\n", {}, "other.tsv:1: no column of text among body, label\naccepted: .tsv"],
    [
      "typo.tsv",
      "text\tlabel\nx\t1\n",
      { columns: { target: "lable" } },
      "typo.tsv:1: has no column lable for the labels; its columns are",
    ],
    ["none.tsv", "text\tlabel\n", {}, "none.tsv: has no rows"],
    ["empty.jsonl", "", {}, "empty.jsonl: has no rows"],
    ["null.jsonl", '{"text":null,"label":1}\n', {}, "null.jsonl:1: text: expected a text, got null"],
    ["lost.jsonl", '{"text":"a","label":1}\n{"text":"b"}\n', {}, "lost.jsonl:2: label: expected a class or a score, got nothing"],
    ["blank.tsv", "text\tlabel\na\tx\nb\t \n", {}, 'blank.tsv:3: label: expected a class, got " "'],
    ["word.tsv", "text\tscore\na\t1.5\nb\tgood\n", {}, 'word.tsv:3: score: expected a number, got "good"'],
    ["one.tsv", "text\tlabel\na\tx\nb\tx\n", {}, "one.tsv: all labels are x; a classifier needs two classes or more"],
    ["new.tsv", "text\tlabel\na\tx\nb\tz\n", { classes: ["x", "y"] }, 'new.tsv:3: label: expected one of the classes x, y, got "z"'],
    ["latin.tsv", Buffer.from("text\tlabel\n\xe4\t1\n", "latin1"), {}, "latin.tsv:2: not UTF-8"],
    ["note.txt", "text\tlabel\n", {}, "note.txt: not a table"],
  ])("of %s are refused with file and line", async (name, content, options, message) => {
    await expect(openLabelledText(await write(name, content), options)).rejects.toThrow(message);
  });
});

describe("targets", () => {
  const open = async (labels: readonly unknown[], options: LabelledTextOptions = {}, column = "label") => {
    const rows = labels.map((label, i) => JSON.stringify({ text: `t${i}`, [column]: label }));
    return openLabelledText(await write("targets.jsonl", rows.join("\n")), options);
  };
  const labelsOf = (set: LabelledText) => Array.from({ length: set.size }, (_, i) => set.label(i));

  it("are numbered classes in their order, or names by code unit", async () => {
    const numbers = await open([10, 2, 0, 10]);
    expect(numbers.classes).toEqual(["0", "2", "10"]);
    expect(labelsOf(numbers)).toEqual([2, 1, 0, 2]);
    expect((await open(["b", "Z", "a"])).classes).toEqual(["Z", "a", "b"]);
    expect((await open([true, false])).classes).toEqual(["false", "true"]);
  });

  it("follow given classes by name, else by number", async () => {
    expect(labelsOf(await open(["y", "x"], { classes: ["x", "y", "z"] }))).toEqual([1, 0]);
    expect(labelsOf(await open([2, 0], { classes: ["x", "y", "z"] }))).toEqual([2, 0]);
    await expect(open([3], { classes: ["x", "y", "z"] })).rejects.toThrow("expected one of the classes x, y, z, got 3");
  });

  it("are scores where a number isn't whole, the column says so, or the caller does", async () => {
    const set = await open([3.5, 4, 0]);
    expect([set.scored, set.classes, set.label(0), set.score(0), set.score(2)]).toEqual([true, null, -1, 3.5, 0]);
    expect((await open([3, 4], {}, "score")).scored).toBe(true);
    expect((await open([3, 4], { kind: "regression" })).scored).toBe(true);
    expect((await open([3, 4.5], { kind: "classification" })).classes).toEqual(["3", "4.5"]);
    expect((await open([3, 4])).scored).toBe(false);
    expect((await open([3, 4])).score(0)).toBeNaN();
  });

  it("may be missing: no column, or -1 everywhere", async () => {
    for (const set of [await open([-1, -1]), await open(["a", "b"], {}, "other")]) {
      expect([set.classes, set.scored, set.label(1)]).toEqual([null, false, -1]);
      expect(() => balancedTexts(set, 2, 1)).toThrow("has no labels");
    }
  });
});

describe("splits", () => {
  it("are files by name, train and the first of dev, validation and test; shards in order", async () => {
    const table = (text: string) => `text\tlabel\n${text} 1\ta\n${text} 2\tb\n`;
    await write("folder/train-00001-of-00002.tsv", table("second"));
    await write("folder/train-00000-of-00002.tsv", table("first"));
    await write("folder/test.tsv", table("test"));
    await write("folder/dev.tsv.gz", gzipSync(table("dev")));
    const folder = join(root, "folder");
    expect(await textSplits(folder)).toEqual(["train", "test"]);
    const texts = (set: LabelledText) => all(set).map(([text]) => text);
    expect(texts(await openLabelledText(folder, { split: "train" }))).toEqual(["first 1", "first 2", "second 1", "second 2"]);
    expect(texts(await openLabelledText(folder, { split: "test" }))).toEqual(["dev 1", "dev 2"]);
    expect(texts(await openLabelledText(folder, { split: ["test"] }))).toEqual(["test 1", "test 2"]);
    await expect(openLabelledText(folder)).rejects.toThrow('say which part of it: split "train" or "test"');
    await expect(openLabelledText(folder, { split: "held" })).rejects.toThrow(/has no held split among dev.tsv.gz, test.tsv, train-/);

    const file = join(folder, "test.tsv");
    expect(await textSplits(file)).toEqual([]);
    expect((await openLabelledText(file)).size).toBe(2);
    await expect(openLabelledText(file, { split: "test" })).rejects.toThrow("is one file and has no test split\nhold out a part");
    await write("nothing/readme.md", "x");
    await expect(openLabelledText(join(root, "nothing"), { split: "train" })).rejects.toThrow("no table found");
    await write("mixed/train-1-of-2.tsv", table("x"));
    await write("mixed/train-2-of-2.tsv", "sentence1\tsentence2\tlabel\na\tb\t1\n");
    await expect(openLabelledText(join(root, "mixed"), { split: "train" })).rejects.toThrow(/train-2-of-2.tsv:1: two texts a row, unlike/);
  });
});

describe("views", () => {
  it("are subsets, balanced ones, and a part held out", async () => {
    const rows = Array.from({ length: 40 }, (_, i) => `t${i}\t${"abcd"[i % 4]}`);
    const set = await openLabelledText(await write("views.tsv", ["text\tlabel", ...rows].join("\n")));
    const some = subsetOfText(set, [5, 3]);
    expect(all(some)).toEqual([
      ["t5", null, 1],
      ["t3", null, 3],
    ]);
    expect([some.name(0), some.classes, some.pairs]).toEqual([set.name(5), set.classes, false]);
    expect(() => subsetOfText(set, [40])).toThrow("index 40 is outside 0..39");
    expect(() => set.text(40)).toThrow("text 40 is outside 0..39");
    const balanced = balancedTexts(set, 12, 1);
    for (const label of [0, 1, 2, 3]) expect(all(balanced).filter((row) => row[2] === label).length).toBe(3);
    const { rest, heldOut } = holdOutTexts(set, 0.2, 1);
    expect([...all(rest), ...all(heldOut)].map(([text]) => text).sort()).toEqual(
      all(set)
        .map(([text]) => text)
        .sort(),
    );
    expect(heldOut.size).toBe(8);
  });
});

describe("GLUE", () => {
  const RAW: Record<GlueName, { train: string; expected: unknown[][]; evaluation: [string, string] }> = {
    cola: {
      train: 'gj04\t1\t\tOur "friends" won\'t buy.\ngj04\t0\t*\tThey drank the pub.\n',
      expected: [
        ['Our "friends" won\'t buy.', null, 1],
        ["They drank the pub.", null, 0],
      ],
      evaluation: ["dev.tsv", "gj04\t1\t\tThe sailors rode.\n"],
    },
    mnli: {
      train:
        "index\tpairID\tgenre\tsentence1\tsentence2\tlabel1\tgold_label\n0\t1\tg\tA\tB\tneutral\tneutral\n1\t2\tg\tC\tD\tx\tcontradiction\n",
      expected: [
        ["A", "B", 1],
        ["C", "D", 2],
      ],
      evaluation: ["dev_matched.tsv", "index\tsentence1\tsentence2\tlabel1\tlabel2\tgold_label\n0\tA\tB\tx\ty\tentailment\n"],
    },
    mrpc: {
      train: '\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tHe "said\tHe spoke\n0\t9\t10\tC\tD\n',
      expected: [
        ['He "said', "He spoke", 1],
        ["C", "D", 0],
      ],
      evaluation: ["dev.tsv", "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tA\tB\n"],
    },
    qnli: {
      train: "index\tquestion\tsentence\tlabel\n0\tWho?\tShe.\tentailment\n1\tWhen?\tHere.\tnot_entailment\n",
      expected: [
        ["Who?", "She.", 0],
        ["When?", "Here.", 1],
      ],
      evaluation: ["dev.tsv", "index\tquestion\tsentence\tlabel\n0\tA\tB\tnot_entailment\n"],
    },
    qqp: {
      train: "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tA?\tB?\t0\n1\t3\t4\tbroken\nC?\tD?\t1\n2\t5\t6\tE?\tF?\t1\n",
      expected: [
        ["A?", "B?", 0],
        ["E?", "F?", 1],
      ],
      evaluation: ["dev.tsv", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n0\t1\t2\tA?\tB?\t1\n"],
    },
    rte: {
      train: "index\tsentence1\tsentence2\tlabel\n0\tA\tB\tnot_entailment\n1\tC\tD\tentailment\n",
      expected: [
        ["A", "B", 1],
        ["C", "D", 0],
      ],
      evaluation: ["dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\tA\tB\tentailment\n"],
    },
    sst2: {
      train: "sentence\tlabel\nhide new secretions \t0\ngood\t1\n",
      expected: [
        ["hide new secretions ", null, 0],
        ["good", null, 1],
      ],
      evaluation: ["dev.tsv", "sentence\tlabel\nfine\t1\n"],
    },
    stsb: {
      train: "index\tgenre\tsentence1\tsentence2\tscore\n0\tg\tA\tB\t5.000\n1\tg\tC\tD\t3\n",
      expected: [
        ["A", "B", 5],
        ["C", "D", 3],
      ],
      evaluation: ["dev.tsv", "index\tgenre\tsentence1\tsentence2\tscore\n0\tg\tA\tB\t4\n"],
    },
  };

  it.each(Object.keys(GLUE_TASKS) as GlueName[])("reads %s as it is published, and as Hugging Face has it", async (name) => {
    const { train, expected, evaluation } = RAW[name];
    const task = glueTask(name);
    await write(`glue/${name}/train.tsv`, train);
    await write(`glue/${name}/${evaluation[0]}`, evaluation[1]);
    await write(`glue/${name}/test.tsv`, test(name));
    const folder = join(root, "glue", name);
    const set = await openGlue(folder, name, "train");
    expect(all(set)).toEqual(expected);
    expect(set.classes).toEqual(task.classes);
    expect(set.skipped).toBe(name === "qqp" ? 2 : 0);
    expect((await openGlue(folder, name, "evaluation")).size).toBe(1);
    const unlabelled = await openGlue(folder, name, "test");
    expect([unlabelled.size, unlabelled.classes, unlabelled.scored]).toEqual([1, null, false]);

    const [text, pair] =
      name === "mnli" ? ["premise", "hypothesis"] : [task.files.columns.text, task.files.columns.pair].map((c) => [c].flat().at(-1)!);
    const columns = { [text!]: expected.map(([a]) => a), ...(pair && { [pair]: expected.map(([, b]) => b) }) };
    const data = { ...columns, label: name === "stsb" ? [5.5, 3] : expected.map(([, , label]) => label), idx: [0, 1] };
    await write(`hub/${name}/train-00000-of-00001.parquet`, parquet(data));
    await write(`hub/${name}/${task.evaluation[0]![1]}-00000-of-00001.parquet`, parquet(data));
    const hub = await openGlue(join(root, "hub", name), name, "evaluation");
    expect(all(hub)).toEqual(
      name === "stsb"
        ? [
            ["A", "B", 5.5],
            ["C", "D", 3],
          ]
        : expected,
    );
  });

  /** Test files have no labels, and CoLA's, unlike its others, has a header. */
  function test(name: GlueName): string {
    const [text, pair] = [glueTask(name).files.columns.text, glueTask(name).files.columns.pair].map((names) => [names].flat()[0]);
    return pair ? `index\t${text}\t${pair}\n0\tA\tB\n` : `index\t${text}\n0\tA\n`;
  }

  it("has recipes whose numbers hang together", () => {
    for (const name of Object.keys(GLUE_TASKS) as GlueName[]) {
      const { recipe, metrics, classes, evaluation } = glueTask(name);
      // 6 % of the updates, but for QQP.
      if (name !== "qqp") expect(recipe.warmupSteps / recipe.steps).toBeCloseTo(0.06, 2);
      for (const metric of metrics) expect(Object.keys(METRICS)).toContain(metric);
      expect(classes === null).toBe(name === "stsb");
      expect(evaluation.length).toBe(name === "mnli" ? 2 : 1);
    }
  });
});

describe("examples", () => {
  it("are framed by <s> and </s>", () => {
    const [a, b] = [tokenizer.encode("kato mi"), tokenizer.encode("sol")];
    expect([...encodeExample(tokenizer, "kato mi", null, 50)]).toEqual([0, ...a, 2]);
    expect([...encodeExample(tokenizer, "kato mi", "sol", 50)]).toEqual([0, ...a, 2, 2, ...b, 2]);
    expect([...encodeExample(tokenizer, "", "", 50)]).toEqual([0, 2, 2, 2]);
  });

  it("are cut one token at a time from the longer text, from the second of equals", () => {
    const text = (length: number) => "k".repeat(length);
    fc.assert(
      fc.property(fc.nat(30), fc.nat(30), fc.integer({ min: 5, max: 40 }), (m, n, maxLength) => {
        const [first, second] = [tokenizer.encode(text(m)), tokenizer.encode(text(n))];
        const [a, b] = [[...first], [...second]];
        while (a.length + b.length + 4 > maxLength) (a.length > b.length ? a : b).pop();
        expect([...encodeExample(tokenizer, text(m), text(n), maxLength)]).toEqual([0, ...a, 2, 2, ...b, 2]);
        expect([...encodeExample(tokenizer, text(m), null, maxLength)]).toEqual([0, ...first.slice(0, maxLength - 2), 2]);
      }),
    );
    expect(() => encodeExample(tokenizer, "a", "b", 4)).toThrow("maxLength: expected a whole number from 5, got 4");
  });

  it("come in padded batches with labels and scores", async () => {
    const rows = sentences(10).map((text, i) => `${text}\t${i % 3}`);
    const set = await openLabelledText(await write("batches.tsv", ["text\tlabel", ...rows].join("\n")));
    const take = async (training: boolean, from = 0) => {
      const loader = new LabelledTextLoader(set, { tokenizer, maxLength: 24, batchSize: 4, seed: 1, training });
      const batches = [];
      for await (const batch of loader.from(from)) {
        batches.push(batch);
        if (batches.length === 5) break;
      }
      return { batches, perEpoch: loader.stepsPerEpoch };
    };
    const { batches, perEpoch } = await take(false);
    expect([batches.length, perEpoch]).toEqual([3, 3]);
    expect(batches.flatMap(({ labels }) => [...labels])).toEqual(Array.from({ length: 10 }, (_, i) => i % 3));
    for (const { tokens, shape, lengths, indices, scores } of batches) {
      expect(shape[1]).toBeLessThanOrEqual(24);
      for (const [row, index] of indices.entries()) {
        const expected = encodeExample(tokenizer, set.text(index), null, 24);
        expect([...tokens.subarray(row * shape[1], (row + 1) * shape[1])]).toEqual([
          ...expected,
          ...new Array(shape[1] - expected.length).fill(1),
        ]);
        expect(lengths[row]).toBe(expected.length);
      }
      expect([...scores].every(Number.isNaN)).toBe(true);
    }
    const training = await take(true);
    expect(training.perEpoch).toBe(2);
    expect((await take(true, 2)).batches.slice(0, 3)).toEqual(training.batches.slice(2));
  });
});
