import { CtcTokenizer, vocabularyOf } from "../data/audio/vocabulary.js";
import { CTC_STATS, ctc } from "../ops/ctc.js";
import { alignCtc } from "./ctc/align.js";
import { type BeamOptions, decodeBeam } from "./ctc/beam.js";
import { characterErrorRate, wordErrorRate } from "./ctc/error-rate.js";
import { decodeGreedy, timedWords } from "./ctc/greedy.js";
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

/**
 * Recognition: connectionist temporal classification of the positions of a sample (the paper fine-tunes speech models so, section 5.2).
 *
 * @param search how transcripts are searched for; null takes the likeliest symbol of each position
 */
export function recognize(symbols: readonly string[], search: BeamOptions | null = null): TaskKind {
  const vocabulary = vocabularyOf(symbols);
  const tokenizer = new CtcTokenizer(vocabulary);
  const decode = (logProbs: Float32Array) => {
    if (search === null) return decodeGreedy(logProbs, symbols.length, vocabulary);
    const [{ ids }] = decodeBeam(logProbs, vocabulary, search);
    const timed = alignCtc(logProbs, symbols.length, ids, vocabulary.blank) ?? [];
    return { ids, words: timedWords(timed, vocabulary.boundary) };
  };
  const read = (outputs: HostOutputs): (Reading & { kind: "transcript" })[] =>
    Array.from({ length: outputs.shape[0] }, (_, sample) => {
      const { ids, words } = decode(logProbabilities(outputs, sample));
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
        result: () => {
          const values = Object.fromEntries(metrics.map((name) => [name, METRICS[name](expected, predicted)]));
          return { metrics: values, score: { name: metrics[0], value: values[metrics[0]] } };
        },
        predictions: () => ({ predicted, expected }),
      };
    },
    read,
  };
}
