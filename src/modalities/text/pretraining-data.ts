import { openCorpus } from "../../data/text/corpus.js";
import { TextLoader } from "../../data/text/loader.js";
import { BERT_MASKING, type TextMasking } from "../../data/text/mask.js";
import type { OnSkip, PretrainingFeed } from "../modality.js";
import type { TextConfig, TextModelConfig } from "./config.js";
import { MaskedTextFeed } from "./feeds.js";
import type { TextInput } from "./input.js";
import { chooseTokenizer, learnTokenizer, tokenizerCompanions } from "./tokenizer.js";

/**
 * A corpus for pretraining, with the masks of the configuration. It is read with the tokenizer of the run, that of `data.tokenizer`, or one
 * that is learned from it.
 */
export async function openMaskedText(
  path: string,
  config: TextConfig,
  onSkip: OnSkip,
  checkpoint: string | null = null,
): Promise<PretrainingFeed<TextInput>> {
  const { model, data, train } = config;
  const tokenizer = (await chooseTokenizer(config, { checkpoint })) ?? (await learnTokenizer(path, config));
  const corpus = await openCorpus(path, {
    tokenizer,
    tokensPerSample: data.tokensPerSample,
    pack: data.packing,
    field: data.textField,
    cache: data.cache ?? undefined,
  });
  const { tokensPerSample } = data;
  if (corpus.tooLong > 0) {
    onSkip({ name: path, error: `${corpus.tooLong} sentences have more than data.tokensPerSample (${tokensPerSample}) and are left out` });
  }
  try {
    const loader = new TextLoader(corpus, {
      batchSize: train.batchSize,
      batchTokens: data.batchTokens ?? undefined,
      pad: tokenizer.special.pad,
      seed: train.seed,
      training: true,
      onSkip,
    });
    return new MaskedTextFeed(loader, {
      masking: maskingOf(model),
      tokenizer,
      companions: tokenizerCompanions(tokenizer, config),
      seed: train.seed,
      close: () => corpus.close(),
    });
  } catch (error) {
    await corpus.close();
    throw error;
  }
}

function maskingOf({ maskStyle, maskProb, maskSpan }: TextModelConfig): TextMasking {
  if (maskStyle === "bert") return { ...BERT_MASKING, probability: maskProb };
  return { probability: maskProb, span: maskSpan, random: 0, keep: 0 };
}
