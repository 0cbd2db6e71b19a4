// Measures how many tokens a second byte-level BPE encodes on one core. Usage: node bench/text.mjs [FILE...]
// Give plain text, by default the sample data's glosses; a tokenizer of 8,000 tokens is trained on it first.
import { fileURLToPath } from "node:url";
import { corpusFiles, readSentences } from "../dist/data/text/documents.js";
import { Tokenizer } from "../dist/data/text/tokenizer.js";
import { trainTokenizer } from "../dist/data/text/train-tokenizer.js";

const ROUNDS = 5;
const places = process.argv.slice(2);
if (places.length === 0) places.push(fileURLToPath(new URL("../examples/data/wordnet", import.meta.url)));

const sentences = [];
for (const place of places) {
  for await (const some of readSentences(await corpusFiles(place))) sentences.push(...some.filter((sentence) => sentence !== null));
}
const { definition } = await trainTokenizer(sentences, { vocab: 8000 });

/** CPU time so far in seconds, of all threads: others may use the machine at the same time. */
function cpuTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

let best = 0;
let tokens = 0;
for (let round = 0; round < ROUNDS; round++) {
  // A new one has no word in its cache.
  const tokenizer = new Tokenizer(definition);
  tokens = 0;
  const start = cpuTime();
  for (const sentence of sentences) tokens += tokenizer.encode(sentence).length;
  best = Math.max(best, tokens / (cpuTime() - start));
}
console.log(`${sentences.length} lines, ${tokens} tokens: ${Math.round(best / 1000)} thousand tokens a second`);
