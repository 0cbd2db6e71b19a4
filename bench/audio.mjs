// Measures how many times faster than it plays audio is decoded and resampled to 16 kHz on one core. Usage: node bench/audio.mjs [FILE...]
// Give files of some seconds: those taken by default are so short that starting the decoder is most of it.
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { decodeAudio } from "../dist/data/audio/decode.js";
import { resample } from "../dist/data/audio/resample.js";

const RATE = 16_000;
const ROUNDS = 30;
const SECONDS = 16;
const root = fileURLToPath(new URL("..", import.meta.url));
const files = process.argv.slice(2);

/** 16-bit WAV of noise. */
function wav(sampleRate) {
  const frames = SECONDS * sampleRate;
  const bytes = Buffer.alloc(44 + 2 * frames);
  bytes.write("RIFF", 0, "latin1");
  bytes.writeUInt32LE(36 + 2 * frames, 4);
  bytes.write("WAVEfmt ", 8, "latin1");
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(sampleRate, 24);
  bytes.writeUInt32LE(2 * sampleRate, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36, "latin1");
  bytes.writeUInt32LE(2 * frames, 40);
  for (let at = 44; at < bytes.length; at += 2) bytes.writeInt16LE(Math.floor((Math.random() - 0.5) * 20_000), at);
  return bytes;
}

/** CPU time so far in ms, of all threads: others may use the machine at the same time. */
function cpuTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Best of some rounds. */
async function measure(name, bytes) {
  let decode = Number.POSITIVE_INFINITY;
  let convert = Number.POSITIVE_INFINITY;
  let seconds = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = cpuTime();
    const { samples, sampleRate } = await decodeAudio(bytes);
    const decoded = cpuTime();
    resample(samples, sampleRate, RATE);
    convert = Math.min(convert, cpuTime() - decoded);
    decode = Math.min(decode, decoded - start);
    seconds = samples.length / sampleRate;
  }
  const times = (milliseconds) => `${((1000 * seconds) / milliseconds).toFixed(0)}x`;
  console.log(
    `${name.padEnd(28)} ${seconds.toFixed(1)} s  decode ${times(decode).padStart(7)}  decode + resample ${times(decode + convert).padStart(7)}`,
  );
}

await measure("WAV 16 kHz", wav(16_000));
await measure("WAV 44.1 kHz", wav(44_100));
const samples = ["16k.flac", "44k.flac", "44k.ogg", "44k.mp3"].map((file) => path.join(root, "tests/data/audio/fixtures", file));
for (const file of files.length > 0 ? files : samples) await measure(path.basename(file), readFileSync(file));
