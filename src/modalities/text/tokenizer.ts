/** Which tokenizer a run reads text with, and how it travels with a model. */
import { readdir } from "node:fs/promises";
import { corpusFiles, readSentences } from "../../data/text/documents.js";
import type { Tokenizer } from "../../data/text/tokenizer.js";
import { openTokenizer, tokenizerFiles } from "../../data/text/tokenizer-files.js";
import { trainTokenizer } from "../../data/text/train-tokenizer.js";
import type { Companions } from "../modality.js";
import type { TextConfig } from "./config.js";
import type { TextTokenIds } from "./huggingface-config.js";

/** Whether a model folder has a tokenizer. */
export async function hasTokenizer(folder: string): Promise<boolean> {
  const names = await readdir(folder);
  return ["tokenizer.json", "vocab.json", "dict.txt"].some((name) => names.includes(name));
}

/**
 * The tokenizer for a model: the one in the folder of the run's checkpoint, else in that of the model it starts from, else that of
 * `data.tokenizer`. Null where there is none.
 *
 * @throws where `data.tokenizer` encodes otherwise than the model's, or the tokenizer doesn't fit the model's tables
 */
export async function chooseTokenizer(
  config: TextConfig,
  { model = null, checkpoint = null }: { readonly model?: string | null; readonly checkpoint?: string | null },
): Promise<Tokenizer | null> {
  const chosen = config.data.tokenizer;
  if (checkpoint !== null) return fitting(await openTokenizer(checkpoint), config, checkpoint);
  const own = model !== null && (await hasTokenizer(model)) ? fitting(await openTokenizer(model), config, model) : null;
  if (chosen === null) return own;
  const other = fitting(await openTokenizer(chosen), config, chosen);
  if (own !== null && own.fingerprint !== other.fingerprint) {
    throw new Error(`data.tokenizer: ${chosen} encodes otherwise than the tokenizer of the model in ${model}\nleave data.tokenizer out`);
  }
  return own ?? other;
}

/** The tokenizer for a model; throws where there is none. */
export async function requireTokenizer(
  config: TextConfig,
  folders: { readonly model?: string | null; readonly checkpoint?: string | null } = {},
): Promise<Tokenizer> {
  const tokenizer = await chooseTokenizer(config, folders);
  if (tokenizer !== null) return tokenizer;
  const where = folders.model ? `the model in ${folders.model} has no tokenizer` : "there is no model whose tokenizer could be taken";
  throw new Error(`data.tokenizer: expected the folder of a tokenizer: ${where}\nset it: --set data.tokenizer=FOLDER`);
}

/** Learns a tokenizer of `model.vocabSize` tokens from the corpus that a model is to be pretrained on. */
export async function learnTokenizer(corpus: string, config: TextConfig): Promise<Tokenizer> {
  const files = await corpusFiles(corpus);
  const lines = async function* () {
    for await (const sentences of readSentences(files, { field: config.data.textField })) {
      for (const sentence of sentences) if (sentence !== null) yield sentence;
    }
  };
  return fitting(await trainTokenizer(lines(), { vocab: config.model.vocabSize }), config, corpus);
}

/** What a checkpoint holds of a tokenizer: Hugging Face's files, which also say how long a text the model takes. */
export function tokenizerCompanions(tokenizer: Tokenizer, { model }: TextConfig): Companions {
  const files = tokenizerFiles(tokenizer);
  const config = { ...JSON.parse(files["tokenizer_config.json"]), model_max_length: model.maxPositions };
  return { ...files, "tokenizer_config.json": `${JSON.stringify(config, null, 2)}\n` };
}

/** The ids that `config.json` names, from the files that go with a model. */
export function companionTokenIds(companions: Companions): TextTokenIds {
  const json = companions["tokenizer.json"];
  if (json === undefined) return { bos: 0, eos: 2 };
  const { sep, cls } = (JSON.parse(json) as { post_processor: { sep: [string, number]; cls: [string, number] } }).post_processor;
  return { bos: cls[1], eos: sep[1] };
}

function fitting(tokenizer: Tokenizer, { model }: TextConfig, place: string): Tokenizer {
  if (tokenizer.size > model.vocabSize) {
    throw new Error(
      `${place}: the tokenizer has ${tokenizer.size} tokens, model.vocabSize is ${model.vocabSize}\nset model.vocabSize=${tokenizer.size}`,
    );
  }
  if (tokenizer.special.pad !== model.paddingId) {
    throw new Error(
      `${place}: the tokenizer pads with ${tokenizer.special.pad}, model.paddingId is ${model.paddingId}\n` +
        `set model.paddingId=${tokenizer.special.pad}`,
    );
  }
  return tokenizer;
}
