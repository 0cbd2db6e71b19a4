/** Writes WAV files for the tests, well formed or not. */

/** What a WAV file is made of; the fields of the format chunk can be falsified. */
export interface WavParts {
  readonly sampleRate?: number;
  readonly channels?: number;
  readonly bits?: number;
  readonly tag?: number;
  readonly extensible?: boolean;
  readonly frameBytes?: number;
  /** Chunks before the samples: id and bytes. */
  readonly chunks?: readonly (readonly [string, Uint8Array])[];
  /** The samples' bytes. */
  readonly data: Uint8Array;
  /** The size that the data chunk claims. */
  readonly dataSize?: number;
}

/** The bytes of a WAV file. */
export function wavFile(parts: WavParts): Uint8Array {
  const { sampleRate = 16000, channels = 1, bits = 16, tag = 1, extensible = false, chunks = [], data } = parts;
  const frameBytes = parts.frameBytes ?? channels * Math.ceil(bits / 8);
  const format = Buffer.alloc(extensible ? 40 : 16);
  format.writeUInt16LE(extensible ? 0xfffe : tag, 0);
  format.writeUInt16LE(channels, 2);
  format.writeUInt32LE(sampleRate, 4);
  format.writeUInt32LE(sampleRate * frameBytes, 8);
  format.writeUInt16LE(frameBytes, 12);
  format.writeUInt16LE(bits, 14);
  if (extensible) {
    format.writeUInt16LE(22, 16);
    format.writeUInt16LE(tag, 24);
  }
  const chunk = (id: string, bytes: Uint8Array, size = bytes.length) => {
    const header = Buffer.alloc(8);
    header.write(id, 0, "latin1");
    header.writeUInt32LE(size, 4);
    return Buffer.concat([header, bytes, Buffer.alloc(bytes.length % 2)]);
  };
  const body = Buffer.concat([
    chunk("fmt ", format),
    ...chunks.map(([id, bytes]) => chunk(id, bytes)),
    chunk("data", data, parts.dataSize ?? data.length),
  ]);
  const header = Buffer.alloc(12);
  header.write("RIFF", 0, "latin1");
  header.writeUInt32LE(4 + body.length, 4);
  header.write("WAVE", 8, "latin1");
  return Uint8Array.from(Buffer.concat([header, body]));
}

/** A 16-bit mono WAV file of samples of full scale 1. */
export function wavOf(samples: ArrayLike<number>, sampleRate = 16000): Uint8Array {
  const values = Int16Array.from(samples, (value) => Math.round(value * 32767));
  return wavFile({ sampleRate, data: new Uint8Array(values.buffer) });
}
