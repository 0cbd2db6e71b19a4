// Writes DATA/speech/train.jsonl, the clips that the speech experiments pretrain on, without labels: node pool-speech.mjs DATA
// All that festvox-ru and fillets train on, and the clips of gcin-voice that none of its sets tests on but those across speakers.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: node pool-speech.mjs DATA");

const lines = (file) => readFileSync(path.join(folder, file), "utf8").trim().split("\n");
const listed = (set) => lines(`${set}/train.jsonl`).map((line) => path.join(set, JSON.parse(line).path));
const tested = new Set(
  ["initial", "final", "tone"].flatMap((labels) =>
    lines(`gcin-voice/${labels}/test.tsv`)
      .slice(1)
      .map((line) => path.join("gcin-voice", labels, line.split("\t")[0])),
  ),
);
const syllables = ["3", "5"]
  .flatMap((speaker) =>
    readdirSync(path.join(folder, "gcin-voice/clips", speaker)).map((name) => path.join("gcin-voice/clips", speaker, name)),
  )
  .filter((file) => !tested.has(file))
  .sort();
const pool = [...listed("festvox-ru"), ...listed("fillets/cs"), ...listed("fillets/nl"), ...syllables];
mkdirSync(path.join(folder, "speech"), { recursive: true });
writeFileSync(path.join(folder, "speech/train.jsonl"), pool.map((file) => `${JSON.stringify({ path: path.join("..", file) })}\n`).join(""));
console.log(`${pool.length} clips, ${syllables.length} of them of gcin-voice`);
