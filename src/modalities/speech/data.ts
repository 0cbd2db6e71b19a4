import { availableParallelism } from "node:os";
import { Philox } from "../../backend/philox.js";
import { readClip } from "../../data/audio/clip.js";
import { type AudioDataset, balancedSubset, holdOut, requireClasses, requireTranscripts, subset } from "../../data/audio/dataset.js";
import { type AudioBatch, AudioLoader, type AudioLoaderOptions } from "../../data/audio/loader.js";
import { audioSplits, type OpenAudioOptions, openAudio } from "../../data/audio/open.js";
import { CtcTokenizer, letterVocabulary, PUBLISHED_VOCABULARY } from "../../data/audio/vocabulary.js";
import { problemOf } from "../../data/unreadable.js";
import type { MaskedInput } from "../../data2vec/pretraining.js";
import type { EvaluationFeed, EvaluationOptions, Feed, JudgedData, LabelledData, LabelledOptions, OnSkip } from "../modality.js";
import type { PreparedBatch } from "../prepared-batch.js";
import { SAMPLE_RATE, type SpeechConfig, type SpeechDataConfig } from "./config.js";
import { type Augmentation, type ClipTargets, LabelledClipFeed, MaskedClipFeed } from "./feeds.js";
import { receptiveField } from "./frames.js";
import { type SpeechInput, uploadClips } from "./input.js";
import type { SpanMaskConfig } from "./mask.js";
import { classTargets, symbolVocabulary, transcriptTargets } from "./targets.js";

/** Most clips of one micro-batch where no gradient is needed. */
const INFERENCE_BATCH = 16;

/** Turns a batch of labelled clips into what it should give. */
type TargetsOf = (batch: AudioBatch) => ClipTargets;

/** Training clips for pretraining, in crops of one length a batch; labels and transcripts aren't looked at. */
export async function openMaskedClips(path: string, config: SpeechConfig, onSkip: OnSkip): Promise<Feed<MaskedInput<SpeechInput>>> {
  const { model, data } = config;
  const { minSeconds, maxSeconds } = data;
  const clips = await openTrainingSplit(path, null, { minSeconds }, onSkip);
  // A mask leaves the last frame, so that a clip needs two.
  const minSamples = receptiveField(model) + model.convStrides.reduce((product, stride) => product * stride, 1);
  const loader = trainingLoader(clips, config, { mode: "crop", maxSeconds, minSamples }, onSkip);
  const mask = { ...frameSpans(config), minSpans: Math.max(1, model.maskMinMasks) };
  return new MaskedClipFeed(loader, { geometry: model, mask, seed: config.train.seed });
}

/** Labelled clips: masked ones to train on, and the test split (or a held-out part) as it is to judge by. */
export async function openLabelledClips(path: string, config: SpeechConfig, options: LabelledOptions): Promise<LabelledData<SpeechInput>> {
  const { model, data, train } = config;
  const { task, onSkip } = options;
  const { minSeconds, maxSeconds } = data;
  const known = task === "classify" ? (options.outputs ?? null) : null;
  let training = await openTrainingSplit(path, known, { minSeconds, maxSeconds }, onSkip);
  const outputs = task === "ctc" ? (options.outputs ?? symbolsFor(training, config)) : requireClasses(training);
  if (options.labels !== undefined) training = labelledSubset(training, task, options.labels, train.seed);
  let judged: AudioDataset | null = null;
  if (options.holdOut !== undefined) {
    const parts = holdOut(training, options.holdOut, train.seed);
    training = parts.rest;
    judged = parts.heldOut;
  } else if ((await audioSplits(path)).includes("test")) {
    judged = await openJudged(path, task, outputs, "test");
  }

  if (task === "ctc") requireWritable(training, outputs, data);
  const targets =
    task === "ctc" ? transcriptTargets(symbolVocabulary(outputs), "error") : classTargets(outputs.length, data.labelSmoothing);
  const augmentation: Augmentation = {
    masking: { geometry: model, mask: frameSpans(config), seed: train.seed },
    channels: { probability: model.channelMaskProb, span: model.channelMaskLength, minSpans: 0 },
    dim: model.dim,
  };
  // A few clips may be less than a batch; then every epoch is one batch.
  const batchSize = Math.min(train.batchSize, training.size);
  const loader = trainingLoader(training, config, { mode: "pad", batchSize, minSamples: receptiveField(model) }, onSkip);
  return {
    outputs,
    metrics: null,
    benchmark: null,
    train: new LabelledClipFeed(loader, model, targets, augmentation),
    plain: evaluationFeed(training, plainTargets(task, outputs), config, onSkip),
    evaluation: judged === null ? null : evaluationFeed(judged, plainTargets(task, outputs), config, onSkip),
  };
}

/** Labelled clips to judge a model by: the test split, or all of a set that isn't divided. */
export async function openJudgedClips(
  path: string,
  config: SpeechConfig,
  { task, outputs, onSkip }: EvaluationOptions,
): Promise<JudgedData<SpeechInput>> {
  const divided = (await audioSplits(path)).length > 0;
  const clips = await openJudged(path, task, outputs, divided ? "test" : undefined);
  return { metrics: null, parts: [{ name: null, feed: evaluationFeed(clips, plainTargets(task, outputs), config, onSkip) }] };
}

/** Clips from files, whole, in micro-batches as for evaluation. */
export async function* openClipFiles(files: readonly string[], { model, data }: SpeechConfig): AsyncGenerator<PreparedBatch<SpeechInput>> {
  const options = { sampleRate: SAMPLE_RATE, normalize: data.normalize, minSamples: receptiveField(model) };
  const budget = data.batchSeconds * SAMPLE_RATE;
  let batch: { file: string; clip: Float32Array }[] = [];
  const prepare = (): PreparedBatch<SpeechInput> => {
    const samples = batch.map(({ clip }) => clip.length);
    const longest = Math.max(...samples);
    const waveform = new Float32Array(batch.length * longest);
    for (const [row, { clip }] of batch.entries()) waveform.set(clip, row * longest);
    const names = batch.map(({ file }) => file);
    return { size: batch.length, weight: batch.length, names, upload: (device) => uploadClips(device, { waveform, samples }, model) };
  };
  for (const file of files) {
    const clip = await readClip(file, options).catch((cause: NodeJS.ErrnoException) => {
      throw new Error(`${file}: ${problemOf(cause)}`, { cause });
    });
    const longest = Math.max(clip.length, ...batch.map((other) => other.clip.length));
    if (batch.length === INFERENCE_BATCH || (batch.length > 0 && longest * (batch.length + 1) > budget)) {
      yield prepare();
      batch = [];
    }
    batch.push({ file, clip });
  }
  if (batch.length > 0) yield prepare();
}

/** A labelled set as it is, in order, one pass. */
function evaluationFeed(clips: AudioDataset, targets: TargetsOf, config: SpeechConfig, onSkip: OnSkip): EvaluationFeed<SpeechInput> {
  const { model, data, train } = config;
  // Whatever a clip's length, it is judged.
  const longest = Array.from({ length: clips.size }, (_, index) => clips.duration(index)).reduce((a, b) => Math.max(a, b), 0);
  const loader = new AudioLoader(clips, {
    mode: "pad",
    batchSeconds: Math.max(data.batchSeconds, longest / SAMPLE_RATE),
    batchSize: INFERENCE_BATCH,
    normalize: data.normalize,
    minSamples: receptiveField(model),
    seed: train.seed,
    training: false,
    workers: workersFor(clips, config),
    onSkip,
  });
  return new LabelledClipFeed(loader, model, targets, null);
}

function trainingLoader(
  clips: AudioDataset,
  config: SpeechConfig,
  options: Pick<AudioLoaderOptions, "mode" | "minSamples"> & Partial<AudioLoaderOptions>,
  onSkip: OnSkip,
): AudioLoader {
  const { data, train } = config;
  return new AudioLoader(clips, {
    batchSeconds: data.batchSeconds,
    joinSeconds: data.joinSeconds,
    batchSize: train.batchSize,
    normalize: data.normalize,
    seed: train.seed,
    training: true,
    workers: workersFor(clips, config),
    onSkip,
    ...options,
  });
}

function frameSpans({ model }: SpeechConfig): SpanMaskConfig {
  return { probability: model.maskProb, span: model.maskLength, minSpans: model.maskMinMasks };
}

async function openTrainingSplit(
  path: string,
  classes: readonly string[] | null,
  limits: Pick<OpenAudioOptions, "minSeconds" | "maxSeconds">,
  onSkip: OnSkip,
): Promise<AudioDataset> {
  const split = (await audioSplits(path)).length > 0 ? "train" : undefined;
  const clips = await openAudio(path, { split, classes, sampleRate: SAMPLE_RATE, ...limits });
  const { short, long } = clips.dropped;
  if (short > 0) onSkip({ name: path, error: `${short} clips are shorter than data.minSeconds (${limits.minSeconds}) and left out` });
  if (long > 0) onSkip({ name: path, error: `${long} clips are longer than data.maxSeconds (${limits.maxSeconds}) and left out` });
  return clips;
}

async function openJudged(path: string, task: string, outputs: readonly string[], split: "test" | undefined): Promise<AudioDataset> {
  const clips = await openAudio(path, { split, classes: task === "classify" ? outputs : null, sampleRate: SAMPLE_RATE });
  if (task === "ctc") requireTranscripts(clips);
  else requireClasses(clips);
  return clips;
}

/** The symbols that a model learns to write for these transcripts. */
function symbolsFor(clips: AudioDataset, { data }: SpeechConfig): readonly string[] {
  const transcripts = requireTranscripts(clips);
  const { symbols } = data.vocabulary === "published" ? PUBLISHED_VOCABULARY : letterVocabulary(transcripts, data.letterCase);
  return symbols;
}

/** Before a run starts: its vocabulary has every character of its transcripts. */
function requireWritable(clips: AudioDataset, outputs: readonly string[], { vocabulary, letterCase }: SpeechDataConfig): void {
  const tokenizer = new CtcTokenizer(symbolVocabulary(outputs));
  for (let index = 0; index < clips.size; index++) {
    const text = clips.transcript(index)!;
    const [lacking] = tokenizer.encode(text, { trailingBoundary: true, unknown: "skip" }).skipped;
    if (lacking === undefined) continue;
    throw new Error(
      `${clips.name(index)}: ${JSON.stringify(text)}: the vocabulary (data.vocabulary=${vocabulary}) lacks ${JSON.stringify(lacking)}\n` +
        `write it otherwise, or set data.vocabulary=transcripts, which takes the characters that occur, or data.letterCase (${letterCase})`,
    );
  }
}

function labelledSubset(clips: AudioDataset, task: string, total: number, seed: number): AudioDataset {
  if (task !== "ctc") return balancedSubset(clips, total, seed);
  if (total > clips.size) throw new RangeError(`${clips.description}: expected at most ${clips.size} labels, got ${total}`);
  const indices = new Philox(seed, "subset").shuffle(Int32Array.from({ length: clips.size }, (_, index) => index));
  return subset(clips, indices.slice(0, total).sort());
}

function plainTargets(task: string, outputs: readonly string[]): TargetsOf {
  return task === "ctc" ? transcriptTargets(symbolVocabulary(outputs), "skip") : classTargets(outputs.length);
}

/** Threads for loading: none where clips are in memory, and no more than there are cores, or work for. */
function workersFor(clips: AudioDataset, { data }: SpeechConfig): number {
  if (clips.size === 0 || clips.file(0) === null) return 0;
  return Math.min(data.workers, availableParallelism(), Math.ceil(clips.size / INFERENCE_BATCH));
}
