/** Decoding of every format: exact where it is lossless, durations from headers, and damaged files named as what they are. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Philox } from "../../../src/backend/philox.js";
import { decodeAudio, decodeAudioFile, probeAudioFile } from "../../../src/data/audio/decode.js";
import { wavFile, wavOf } from "./wav-file.js";

const FIXTURES = "tests/data/audio/fixtures";
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "audio-"));
});
afterAll(() => rm(root, { recursive: true }));

const fixture = async (name: string) => Uint8Array.from(await readFile(join(FIXTURES, name)));

async function probe(bytes: Uint8Array) {
  const path = join(await mkdtemp(join(root, "clip-")), "clip");
  await writeFile(path, bytes);
  return probeAudioFile(path);
}

/** The noise of fixtures.py. */
function integers(frames: number, seed: number, scale: number): number[] {
  return Array.from({ length: frames }, (_, i) => (((i * i * 7 + 13 * i + seed) % 20011) - 10005) * scale);
}

/** Decoding and the headers agree on rate and length. */
async function decodeAndProbe(bytes: Uint8Array) {
  const audio = await decodeAudio(bytes);
  expect(await probe(bytes)).toMatchObject({ sampleRate: audio.sampleRate, frames: audio.samples.length });
  return audio;
}

describe("WAV", () => {
  it.each([
    ["8 bits", 8, 1, [0, 64, 128, 192, 255], [-1, -0.5, 0, 0.5, 127 / 128]],
    ["16 bits", 16, 1, [0x00, 0x80, 0x00, 0x40, 0xff, 0x7f], [-1, 0.5, 32767 / 32768]],
    ["12 bits in 16", 12, 1, [0xf0, 0x7f, 0x00, 0xc0], [2047 / 2048, -0.5]],
    ["24 bits", 24, 1, [0, 0, 0x80, 1, 0, 0, 0, 0, 0x40], [-1, 2 ** -23, 0.5]],
    ["32 bits", 32, 1, [0, 0, 0, 0x80, 0, 0, 0, 0x40, 0, 1, 0, 0], [-1, 0.5, 2 ** -23]],
    ["float 32", 32, 3, new Uint8Array(new Float32Array([0.25, -1.5, 1e-20]).buffer), [0.25, -1.5, 1e-20]],
    ["float 64", 64, 3, new Uint8Array(new Float64Array([0.25, -1.5]).buffer), [0.25, -1.5]],
  ])("of %s, plain and extensible", async (_, bits, tag, bytes, expected) => {
    for (const extensible of [false, true]) {
      const audio = await decodeAndProbe(wavFile({ bits, tag, extensible, sampleRate: 22050, data: Uint8Array.from(bytes) }));
      expect(audio.sampleRate).toBe(22050);
      expect([...audio.samples]).toEqual([...Float32Array.from(expected)]);
    }
  });

  it("gives the mean of any number of channels, past other chunks, and without a length where the writer knew none", async () => {
    const data = new Uint8Array(new Int16Array([3000, 0, -3000, 16384, 16384, 16384]).buffer);
    const chunks = [
      ["LIST", new Uint8Array(7)],
      ["junk", new Uint8Array(10_000)],
    ] as const;
    for (const dataSize of [data.length, 0xffffffff]) {
      expect([...(await decodeAndProbe(wavFile({ channels: 3, data, chunks, dataSize }))).samples]).toEqual([0, 0.5]);
    }
  });

  it.each([
    [
      "samples cut off",
      wavOf(new Float32Array(100)).subarray(0, 150),
      /WAV: truncated: the header tells of 200 bytes of samples, the file has 106/,
    ],
    ["cut off before the samples", wavOf(new Float32Array(100)).subarray(0, 40), /truncated: it ends before its samples/],
    ["cut off in the format", wavOf(new Float32Array(100)).subarray(0, 30), /truncated: it ends before the format/],
    ["no samples", wavOf([]), /holds no samples/],
    ["no channels", wavFile({ channels: 0, frameBytes: 2, data: new Uint8Array(4) }), /has no channels/],
    ["half a frame", wavFile({ channels: 2, data: new Uint8Array(6) }), /6 bytes of samples are no whole number of frames of 4 bytes/],
    ["mu-law", wavFile({ tag: 7, bits: 8, data: new Uint8Array(4) }), /encoding mu-law isn't read; accepted are PCM and floating point/],
    ["odd depths", wavFile({ tag: 3, bits: 16, data: new Uint8Array(4) }), /expected samples of 32, 64 bits, got 16 bits in 2 bytes/],
    ["a frame of the wrong size", wavFile({ frameBytes: 3, data: new Uint8Array(6) }), /got 16 bits in 3 bytes for 1 channels/],
    ["an absurd rate", wavFile({ sampleRate: 5, data: new Uint8Array(4) }), /sample rate: expected 1000 to 192000 Hz, got 5/],
  ])("with %s is named", async (_, bytes, message) => {
    await expect(decodeAudio(bytes)).rejects.toThrow(message);
    await expect(probe(bytes)).rejects.toThrow(message);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("with a sample of %s is named", async (value) => {
    const bytes = wavFile({ tag: 3, bits: 32, data: new Uint8Array(new Float32Array([0, 1, value, 0]).buffer) });
    await expect(decodeAudio(bytes)).rejects.toThrow("sample 2 isn't a finite number");
  });
});

describe("FLAC", () => {
  it("is exact, 8 to 24 bits, mono and stereo", async () => {
    const mono = await decodeAndProbe(await fixture("16k.flac"));
    expect(mono.sampleRate).toBe(16000);
    expect(mono.samples).toEqual(Float32Array.from(integers(5000, 1, 3), (value) => value / 2 ** 15));
    const small = await decodeAndProbe(await fixture("8bit.flac"));
    const bytes = integers(3000, 4, 1).map((value) => Math.max(-128, Math.min(127, Math.floor(value / 90))));
    expect(small.samples).toEqual(Float32Array.from(bytes, (value) => value / 2 ** 7));
    const stereo = await decodeAndProbe(await fixture("44k.flac"));
    expect(stereo.sampleRate).toBe(44100);
    const [left, right] = [integers(3000, 2, 800), integers(3000, 3, 700)];
    const worst = Math.max(...stereo.samples.map((value, i) => Math.abs(value - (left[i]! + right[i]!) / 2 ** 24)));
    // The decoder gives floats, which 24 bits and a scale don't fit into.
    expect(worst).toBeLessThan(2 ** -23);
  });

  it("is read after an ID3 tag, and without its length in the header", async () => {
    const bytes = await fixture("16k.flac");
    const expected = await decodeAudio(bytes);
    const tag = Uint8Array.from(
      [..."ID3"].map((letter) => letter.charCodeAt(0)).concat([4, 0, 0, 0, 0, 40, 0], new Array(40 * 128).fill(0)),
    );
    expect(await decodeAndProbe(Uint8Array.from([...tag, ...bytes]))).toEqual(expected);
    const unknown = bytes.slice();
    unknown[21]! &= 0xf0;
    unknown.fill(0, 22, 26);
    expect(await decodeAndProbe(unknown)).toEqual(expected);
    await expect(decodeAudio(unknown.subarray(0, 9000))).rejects.toThrow(/FLAC: truncated or corrupt: \d+ of \d+ samples could be decoded/);
  });

  it.each([
    ["cut off", (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 100), /FLAC: truncated or corrupt: 4096 of 5000 samples/],
    ["cut off in the header", (bytes: Uint8Array) => bytes.subarray(0, 30), /FLAC: truncated: it ends within its header/],
    ["with a wrong bit", (bytes: Uint8Array) => bytes.with(4000, bytes[4000]! ^ 4), /FLAC: (truncated or )?corrupt/],
    ["without STREAMINFO", (bytes: Uint8Array) => bytes.with(4, 4), /FLAC: corrupt: it doesn't begin with STREAMINFO/],
  ])("%s is named", async (_, damage, message) => {
    await expect(decodeAudio(damage(await fixture("16k.flac")))).rejects.toThrow(message);
    // The decoder still serves the next file.
    expect((await decodeAudio(await fixture("16k.flac"))).samples.length).toBe(5000);
  });
});

/** The amplitude of a frequency in the middle of a clip. */
function amplitude(samples: Float32Array, sampleRate: number, hertz: number): number {
  const [from, to] = [Math.floor(samples.length / 4), Math.floor((3 * samples.length) / 4)];
  let [re, im, weight] = [0, 0, 0];
  for (let i = from; i < to; i++) {
    const window = Math.sin((Math.PI * (i - from)) / (to - from)) ** 2;
    re += window * samples[i]! * Math.cos((2 * Math.PI * hertz * i) / sampleRate);
    im += window * samples[i]! * Math.sin((2 * Math.PI * hertz * i) / sampleRate);
    weight += window;
  }
  return (2 * Math.hypot(re, im)) / weight;
}

describe.each([
  ["ogg", 13230, 4000],
  ["mp3", 13230, 8000],
])("lossy %s", (ending, frames, stereoFrames) => {
  it("has the length and the tones that were written, of stereo the mean", async () => {
    const mono = await decodeAndProbe(await fixture(`44k.${ending}`));
    expect(mono.sampleRate).toBe(44100);
    expect(mono.samples.length).toBe(frames);
    for (const hertz of [440, 1000]) expect(Math.abs(amplitude(mono.samples, 44100, hertz) - 0.3)).toBeLessThan(0.02);
    expect(amplitude(mono.samples, 44100, 2000)).toBeLessThan(0.01);
    const stereo = await decodeAndProbe(await fixture(`stereo.${ending}`));
    expect(stereo.samples.length).toBe(stereoFrames);
    for (const hertz of [440, 1000]) expect(Math.abs(amplitude(stereo.samples, 16000, hertz) - 0.15)).toBeLessThan(0.02);
  });
});

describe("Ogg", () => {
  it.each([
    ["cut off", (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 10), /Ogg: truncated: it ends within page \d/],
    ["without its last page", (bytes: Uint8Array) => bytes.subarray(0, lastPage(bytes)), /Ogg: truncated: it lacks its last page/],
    [
      "with a wrong bit",
      (bytes: Uint8Array) => bytes.with(bytes.length - 9, bytes.at(-9)! ^ 4),
      /Ogg: corrupt: page \d doesn't match its checksum/,
    ],
    ["with rubbish after it", (bytes: Uint8Array) => Uint8Array.from([...bytes, 1, 2, 3]), /Ogg: corrupt: expected a page at byte \d+/],
    ["with another after it", (bytes: Uint8Array) => Uint8Array.from([...bytes, ...bytes]), /Ogg: holds several streams/],
    ["without a page", (bytes: Uint8Array) => without(bytes, 1), /Ogg: corrupt: page 1 is missing/],
  ])("%s is named", async (_, damage, message) => {
    await expect(decodeAudio(damage(await fixture("44k.ogg")))).rejects.toThrow(message);
    expect((await decodeAudio(await fixture("44k.ogg"))).samples.length).toBe(13230);
  });

  it("of Opus or FLAC is named", async () => {
    for (const [magic, message] of [
      ["OpusHead", /Ogg Opus audio isn't read/],
      ["\x7fFLAC", /Ogg FLAC audio isn't read/],
      ["Speex   ", /Ogg: its stream isn't Vorbis/],
    ] as const) {
      const bytes = await fixture("44k.ogg");
      bytes.set(Buffer.from(magic, "latin1"), 28);
      await expect(probe(bytes)).rejects.toThrow(message);
    }
  });
});

const pageStarts = (bytes: Uint8Array) => {
  const starts: number[] = [];
  for (let at = 0; (at = Buffer.from(bytes).indexOf("OggS", at)) >= 0; at += 4) starts.push(at);
  return starts;
};
const lastPage = (bytes: Uint8Array) => pageStarts(bytes).at(-1)!;
const without = (bytes: Uint8Array, page: number) => {
  const starts = pageStarts(bytes);
  return Uint8Array.from([...bytes.subarray(0, starts[page]), ...bytes.subarray(starts[page + 1] ?? bytes.length)]);
};

describe("MP3", () => {
  it.each([
    ["cut off", (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 50), /MP3: truncated/],
    ["without its last frames", (bytes: Uint8Array) => bytes.subarray(0, 4 * 208 + 1), /MP3: (truncated|corrupt)/],
    ["with rubbish in it", (bytes: Uint8Array) => bytes.with(frameStarts(bytes)[3]!, 0), /MP3: corrupt: expected a frame at byte \d+/],
    [
      "of nothing but a tag",
      () => Uint8Array.from([0x49, 0x44, 0x33, 4, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0]),
      /MP3: no frame of MPEG layer III found/,
    ],
  ])("%s is named", async (_, damage, message) => {
    await expect(decodeAudio(damage(await fixture("44k.mp3")))).rejects.toThrow(message);
    expect((await decodeAudio(await fixture("44k.mp3"))).samples.length).toBe(13230);
  });

  it("may have tags around it, and lack the one that tells its length", async () => {
    const bytes = await fixture("44k.mp3");
    const expected = await decodeAudio(bytes);
    const tags = Uint8Array.from([
      0x49,
      0x44,
      0x33,
      4,
      0,
      0,
      0,
      0,
      0,
      20,
      ...new Array(20).fill(0),
      ...bytes,
      ...Buffer.from("TAG"),
      ...new Array(125).fill(65),
    ]);
    expect(await decodeAndProbe(tags)).toEqual(expected);
    const bare = bytes.subarray(frameStarts(bytes)[1]!);
    expect((await decodeAndProbe(bare)).samples.length % 1152).toBe(0);
  });
});

it("MP3 with fewer frames than its tag tells is truncated, but for a tag that counts itself", async () => {
  const bytes = await fixture("44k.mp3");
  const tag = Math.max(Buffer.from(bytes).indexOf("Xing"), Buffer.from(bytes).indexOf("Info"));
  expect(tag).toBeGreaterThan(0);
  const claiming = (more: number) => bytes.with(tag + 11, bytes[tag + 11]! + more);
  await expect(probe(claiming(1))).resolves.toMatchObject({ frames: 13230 });
  await expect(decodeAudio(claiming(2))).rejects.toThrow(/MP3: truncated: \d+ of \d+ frames are there/);
});

/** Where the frames of a constant bit rate begin, give or take the padding. */
function frameStarts(bytes: Uint8Array): number[] {
  const starts: number[] = [];
  for (let at = 0; at < bytes.length - 1; at++) if (bytes[at] === 0xff && (bytes[at + 1]! & 0xfe) === 0xfa) starts.push(at);
  return starts;
}

describe("other files", () => {
  it.each([
    ["", /empty file/],
    ["hello, world", /not an audio file/],
    ["FORM\0\0\0\0AIFF", /AIFF audio isn't read; accepted are WAV, FLAC, Ogg Vorbis and MP3/],
    ["\0\0\0\x20ftypM4A ", /MP4 audio isn't read/],
    ["\xff\xf1\x50\x80", /AAC audio isn't read/],
    ["RF64\xff\xff\xff\xffWAVE", /RF64 audio isn't read/],
    ["RIFF\0\0\0\0AVI ", /RIFF audio isn't read/],
  ])("%j are refused by name", async (content, message) => {
    const bytes = Uint8Array.from(Buffer.from(content, "latin1"));
    await expect(decodeAudio(bytes)).rejects.toThrow(message);
    await expect(probe(bytes)).rejects.toThrow(message);
  });

  it("are told when they are missing", async () => {
    await expect(decodeAudioFile(join(root, "none.wav"))).rejects.toThrow(/ENOENT/);
    await expect(probeAudioFile(join(root, "none.wav"))).rejects.toThrow(/ENOENT/);
  });

  it("made of damaged ones end in an error or in finite samples, never in a hang or a crash", async () => {
    const names = ["16k.flac", "44k.ogg", "44k.mp3", "stereo.ogg", "stereo.mp3", "8bit.flac"];
    for (const name of names) {
      const bytes = await fixture(name);
      for (let seed = 0; seed < 12; seed++) {
        const random = new Philox(seed, "damage");
        const damaged = bytes.slice(0, random.int(4) === 0 ? random.int(bytes.length) : bytes.length);
        for (let i = random.int(20); i >= 0 && damaged.length > 0; i--) damaged[random.int(damaged.length)] = random.int(256);
        const result = await decodeAudio(damaged).catch((error: Error) => error);
        if (!(result instanceof Error)) expect(result.samples.every(Number.isFinite)).toBe(true);
      }
    }
  });
});

describe("decoders", () => {
  it("serve many files at once, each as when alone", async () => {
    const names = ["16k.flac", "44k.ogg", "44k.mp3", "stereo.ogg", "stereo.mp3", "44k.flac"];
    const alone = new Map<string, Float32Array>();
    for (const name of names) alone.set(name, (await decodeAudioFile(join(FIXTURES, name))).samples);
    const many = Array.from({ length: 36 }, (_, i) => names[i % names.length]!);
    const all = await Promise.all(many.map((name) => decodeAudioFile(join(FIXTURES, name))));
    for (const [index, { samples }] of all.entries()) expect(samples).toEqual(alone.get(many[index]!));
  });
});
