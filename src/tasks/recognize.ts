import { CtcTokenizer, vocabularyOf } from "../data/audio/vocabulary.js";
import { CTC_STATS, ctc } from "../ops/ctc.js";
import { characterErrorRate, wordErrorRate } from "./ctc/error-rate.js";
import { decodeGreedy } from "./ctc/greedy.js";
import type { HostOutputs, Reading, TaskKind } from "./task-kind.js";

const METRICS: Record<string, (theirs: readonly string[], ours: readonly string[]) => number> = {
  wer: (theirs, ours) => wordErrorRate(theirs, ours).rate,
  cer: (theirs, ours) => characterErrorRate(theirs, ours).rate,
};

/** Log-probabilities of one sample (valid positions, classes). */
export function logProbabilities({ values, shape, lengths }: HostOutputs, sample: number): Float32Array {
  const [, positions, classes] = shape;
  const valid = lengths?.[sample] ?? positions;
  const start = sample * positions * classes;
  const result = values.slice(start, start + valid * classes);
  for (let at = 0; at < result.length; at += classes) {
    const row = result.subarray(at, at + classes);
    const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const logSum = largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
    for (let i = 0; i < classes; i++) row[i] -= logSum;
  }
  return result;
}

/** Recognition: connectionist temporal classification of the positions of a sample (paper section 4.2 fine-tunes so). */
export function recognize(symbols: readonly string[]): TaskKind {
  const vocabulary = vocabularyOf(symbols);
  const tokenizer = new CtcTokenizer(vocabulary);
  const read = (outputs: HostOutputs): (Reading & { kind: "transcript" })[] =>
    Array.from({ length: outputs.shape[0] }, (_, sample) => {
      const { ids, words } = decodeGreedy(logProbabilities(outputs, sample), symbols.length, vocabulary);
      return {
        kind: "transcript",
        text: tokenizer.decode(ids),
        words: words.map(({ ids: letters, start, end }) => ({ word: tokenizer.decode(letters), start, end })),
      };
    });
  return {
    name: "ctc",
    metrics: ["wer", "cer"],
    statsLength: 2,
    loss: (logits, lengths, { targets, targetLengths }) =>
      ctc(logits, { targets, targetLengths: targetLengths!, frameLengths: lengths, blank: vocabulary.blank }),
    trainingMetrics: (stats) => {
      const infinite = stats[CTC_STATS.infinite];
      return { loss: stats[CTC_STATS.loss], ...(infinite > 0 ? { tooLong: infinite } : {}) };
    },
    judge: (metrics) => {
      const predicted: string[] = [];
      const expected: string[] = [];
      return {
        add: (outputs, batch) => {
          if (batch.kind !== "transcripts") throw new Error(`ctc: the data holds ${batch.kind}, not transcripts`);
          predicted.push(...read(outputs).map(({ text }) => text));
          expected.push(...batch.texts);
        },
        metrics: () => Object.fromEntries(metrics.map((name) => [name, METRICS[name](expected, predicted)])),
        predictions: () => ({ predicted, expected }),
      };
    },
    read,
  };
}
