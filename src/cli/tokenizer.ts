/** `data2vec tokenizer`: makes the vocabulary of a text model from a corpus, and shows how it cuts text up. */
import { access } from "node:fs/promises";
import path from "node:path";
import type { Command } from "commander";
import { writeText } from "../checkpoint/files.js";
import { CORPUS_FORMATS, corpusFiles, readSentences } from "../data/text/documents.js";
import type { DataFile } from "../data/text/text-files.js";
import { openTokenizer, tokenizerFiles } from "../data/text/tokenizer-files.js";
import { trainTokenizer } from "../data/text/train-tokenizer.js";
import { UsageError } from "./failure.js";
import { integer, needed, withJson } from "./options.js";
import { Progress } from "./progress.js";
import { formatCount, print, say } from "./terminal.js";

interface TrainOptions {
  vocab: number;
  minFrequency: number;
  field: string;
  out?: string;
  json: boolean;
}

interface EncodeOptions {
  tokenizer?: string;
  json: boolean;
}

/** Adds the two commands and their help. */
export function define(command: Command): void {
  command.addHelpText(
    "after",
    `
Examples:
  data2vec tokenizer train corpus.txt --vocab 8000 --out tokenizer/
  data2vec tokenizer encode --tokenizer tokenizer/ "How is this cut up?"

Both write their result as JSON with --json. More: data2vec tokenizer train --help.`,
  );
  const train = command
    .command("train")
    .description("learn a byte-level BPE from text")
    .argument("<corpus...>", "files of text, or folders of them")
    .option("--vocab <tokens>", "tokens in all: 5 special ones, 256 bytes, the rest learned", integer(261, 2 ** 20), 8000)
    .option("--min-frequency <count>", "pairs seen less often don't become a token", integer(1, 1e9), 2)
    .option("--field <name>", "field of JSON lines, or column of Parquet, that holds the text", "text")
    .option("--out <folder>", "folder for the files of the tokenizer");
  withJson(train)
    .addHelpText(
      "after",
      `
Examples:
  data2vec tokenizer train corpus.txt --vocab 8000 --out tokenizer/
  data2vec tokenizer train books/ wiki.jsonl.gz --vocab 32000 --out tokenizer/ --json

Corpora: ${CORPUS_FORMATS}.
Writes tokenizer.json, vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json as RoBERTa has them: Hugging Face's
tokenizers and transformers load the folder. The same text gives the same tokenizer.`,
    )
    .action(trainCommand);
  const encode = command
    .command("encode")
    .description("show the tokens of texts")
    .argument("<text...>", "texts, each in quotation marks")
    .option(
      "--tokenizer <folder>",
      "folder with tokenizer.json, vocab.json and merges.txt, or fairseq's dict.txt, encoder.json and vocab.bpe",
    );
  withJson(encode)
    .addHelpText(
      "after",
      `
Examples:
  data2vec tokenizer encode --tokenizer tokenizer/ "How is this cut up?"

With --json: {"encodings": [{"text", "ids", "pieces"}]}. Pieces are written as in the files: Ġ is a space.`,
    )
    .action(encodeCommand);
}

async function trainCommand(corpora: string[], options: TrainOptions): Promise<void> {
  const out = needed(options.out, "--out FOLDER", "where the tokenizer is written");
  const existing = path.join(out, "tokenizer.json");
  const exists = await access(existing).then(
    () => true,
    () => false,
  );
  if (exists) {
    throw new UsageError(`${existing}: is there already\nchoose another folder for --out, or remove that tokenizer first`);
  }
  const files: DataFile[] = [];
  for (const corpus of corpora) files.push(...(await corpusFiles(corpus)));

  using progress = new Progress();
  const { vocab, minFrequency } = options;
  let reading = true;
  const tokenizer = await trainTokenizer(sentences(files, options.field), {
    vocab,
    minFrequency,
    onProgress({ lines, tokens }) {
      reading &&= tokens === 261;
      progress.update(reading ? `${formatCount(lines)} lines read` : `${formatCount(tokens)} of ${formatCount(vocab)} tokens`);
    },
  });
  const contents = tokenizerFiles(tokenizer);
  for (const [name, content] of Object.entries(contents)) await writeText(path.join(out, name), content);
  const { size } = tokenizer;
  if (size < vocab) {
    progress.note(
      `the text has no more pairs that occur ${minFrequency} times: ${formatCount(size)} tokens instead of ${formatCount(vocab)}`,
    );
  }
  if (options.json)
    print(JSON.stringify({ folder: out, vocab: size, merges: tokenizer.definition.merges.length, files: Object.keys(contents) }));
  else say(`${out}: a tokenizer of ${formatCount(size)} tokens`);
}

async function encodeCommand(texts: string[], options: EncodeOptions): Promise<void> {
  const tokenizer = await openTokenizer(needed(options.tokenizer, "--tokenizer FOLDER", "the tokenizer's files"));
  const encodings = texts.map((text) => {
    const ids = tokenizer.encode(text);
    return { text, ids, pieces: ids.map((id) => tokenizer.piece(id)) };
  });
  if (options.json) {
    print(JSON.stringify({ encodings }));
    return;
  }
  for (const { ids, pieces } of encodings) {
    print(pieces.join(" "));
    print(ids.join(" "));
  }
}

async function* sentences(files: readonly DataFile[], field: string): AsyncGenerator<string> {
  for await (const some of readSentences(files, { field })) {
    for (const sentence of some) if (sentence !== null) yield sentence;
  }
}
