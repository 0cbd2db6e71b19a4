// Log-mel spectra of clips as features of one length: what speech was recognised by before networks learned from waveforms.

const RATE = 16_000;
/** Samples of a window (25 ms) and between windows (10 ms). */
const WINDOW = 400;
const HOP = 160;
const BINS = WINDOW / 2 + 1;
const BANDS = 40;
/** Points in time that a clip's spectra are interpolated to, whatever its length. */
const POINTS = 20;

const hann = Float64Array.from({ length: WINDOW }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW));
const cosines = Float64Array.from({ length: WINDOW }, (_, i) => Math.cos((2 * Math.PI * i) / WINDOW));
const sines = Float64Array.from({ length: WINDOW }, (_, i) => Math.sin((2 * Math.PI * i) / WINDOW));

const melOf = (hertz) => 2595 * Math.log10(1 + hertz / 700);
/** Triangular filters, equally wide on the mel scale: BANDS rows of BINS weights. */
const filters = Array.from({ length: BANDS }, (_, band) => {
  const step = melOf(RATE / 2) / (BANDS + 1);
  return Float64Array.from({ length: BINS }, (_, bin) => Math.max(0, 1 - Math.abs(melOf((bin * RATE) / WINDOW) / step - (band + 1))));
});

/** Power of a window of samples in each bin. */
function powerSpectrum(samples, start) {
  const windowed = hann.map((weight, i) => weight * (samples[start + i] ?? 0));
  return Float64Array.from({ length: BINS }, (_, bin) => {
    let real = 0;
    let imaginary = 0;
    for (let i = 0, angle = 0; i < WINDOW; i++, angle = (angle + bin) % WINDOW) {
      real += windowed[i] * cosines[angle];
      imaginary += windowed[i] * sines[angle];
    }
    return real * real + imaginary * imaginary;
  });
}

/** Log-mel spectra of one clip at 16 kHz, (POINTS, BANDS) row-major. */
export function logMel(samples) {
  const frames = Array.from({ length: Math.max(1, Math.ceil((samples.length - WINDOW) / HOP) + 1) }, (_, frame) => {
    const power = powerSpectrum(samples, frame * HOP);
    return filters.map((filter) => Math.log(filter.reduce((sum, weight, bin) => sum + weight * power[bin], 1e-6)));
  });
  return Float32Array.from({ length: POINTS * BANDS }, (_, i) => {
    const at = (Math.floor(i / BANDS) * (frames.length - 1)) / (POINTS - 1);
    const before = Math.floor(at);
    const after = Math.min(before + 1, frames.length - 1);
    return frames[before][i % BANDS] * (1 - (at - before)) + frames[after][i % BANDS] * (at - before);
  });
}

/** A row of a padded batch, without the zeros behind it. */
function trimmed(row) {
  let length = row.length;
  while (length > 0 && row[length - 1] === 0) length--;
  return row.subarray(0, length);
}

/** The spectra of every clip of a feed, with their classes. */
export async function logMelFeatures(device, feed) {
  const rows = [];
  const labels = [];
  let classes = 0;
  for await (const batch of feed.batches(0)) {
    await device.scoped(async () => {
      const { input, targets } = batch.upload(device);
      const [clips, samples] = input.waveform.shape;
      const waveform = await input.waveform.read();
      for (let clip = 0; clip < clips; clip++) rows.push(logMel(trimmed(waveform.subarray(clip * samples, (clip + 1) * samples))));
      labels.push(...batch.expected.labels);
      classes = targets.shape[1];
    });
  }
  const dim = POINTS * BANDS;
  const features = new Float32Array(rows.length * dim);
  for (const [i, row] of rows.entries()) features.set(row, i * dim);
  return { features, labels: Int32Array.from(labels), dim, classes };
}
