import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/checkpoint/error.js";
import {
  type DType,
  elementCount,
  type HostTensor,
  hostTensor,
  type LazyTensor,
  readSafetensors,
  readSafetensorsHeader,
  type TensorData,
  toFloat32,
  writeSafetensors,
} from "../../src/checkpoint/safetensors.js";

const folder = { path: "" };
beforeAll(async () => {
  folder.path = await mkdtemp(path.join(tmpdir(), "data2vec-"));
});
afterAll(() => rm(folder.path, { recursive: true }));

let counter = 0;
const fresh = () => path.join(folder.path, `${counter++}.safetensors`);

/** A file from a header (text or value) and data bytes. */
async function handMade(header: unknown, dataLength: number, headerLength?: bigint): Promise<string> {
  const json =
    header instanceof Uint8Array ? header : new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataLength);
  new DataView(bytes.buffer).setBigUint64(0, headerLength ?? BigInt(json.length), true);
  bytes.set(json, 8);
  const file = fresh();
  await writeFile(file, bytes);
  return file;
}

const entry = (shape: number[], begin: number, end: number, dtype = "F32") => ({ dtype, shape, data_offsets: [begin, end] });

describe("safetensors", () => {
  it("writes the bytes that the format's description asks for", async () => {
    const file = fresh();
    await writeSafetensors(file, new Map([["a", hostTensor([2], Float32Array.of(1, -2))]]), {});
    const json = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
    const bytes = await readFile(file);
    const headerLength = Number(bytes.readBigUInt64LE(0));
    expect(headerLength % 8).toBe(0);
    expect(bytes.subarray(8, 8 + headerLength).toString()).toBe(json.padEnd(headerLength, " "));
    expect([...bytes.subarray(8 + headerLength)]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
  });

  it("reads a file of another writer", async () => {
    const golden = path.join(import.meta.dirname, "../golden/hf_vision_model_shared/model.safetensors");
    const { tensors, metadata } = await readSafetensorsHeader(golden);
    expect(metadata.format).toBe("pt");
    expect(tensors.get("embeddings.cls_token")).toMatchObject({ dtype: "F32", shape: [1, 1, 32], byteLength: 128 });
    const [[name, token], ...others] = await readSafetensors(golden, { names: ["embeddings.cls_token"] });
    expect([name, others.length]).toEqual(["embeddings.cls_token", 0]);
    const file = await readFile(golden);
    const { offset } = tensors.get("embeddings.cls_token")!;
    expect(token.data[5]).toBe(file.readFloatLE(offset + 20));
  });

  it("puts wide elements first, keeps the order otherwise, and fetches lazy tensors while writing", async () => {
    const file = fresh();
    const bytes: HostTensor = { dtype: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) };
    await writeSafetensors(
      file,
      new Map<string, HostTensor | LazyTensor>([
        ["bytes", bytes],
        ["z", hostTensor([], Float32Array.of(7))],
        ["a", { dtype: "F32", shape: [1], read: async () => Float32Array.of(8) }],
      ]),
    );
    const read = await readSafetensors(file);
    expect([...read.keys()]).toEqual(["z", "a", "bytes"]);
    expect(read.get("bytes")).toEqual(bytes);
    expect(read.get("a")!.data).toEqual(Float32Array.of(8));
    expect((await readSafetensorsHeader(file)).metadata).toEqual({ format: "pt" });
  });

  it("leaves the old file when a tensor contradicts its shape or fails to come", async () => {
    const file = fresh();
    await writeSafetensors(file, new Map([["a", hostTensor([1], Float32Array.of(1))]]));
    const before = await readFile(file);
    await expect(writeSafetensors(file, new Map([["a", hostTensor([2], Float32Array.of(1))]]))).rejects.toThrow(
      /"a": expected F32 \[2\], got 1 elements/,
    );
    const broken = { dtype: "F32" as const, shape: [1], read: () => Promise.reject(new Error("device lost")) };
    await expect(writeSafetensors(file, new Map([["a", broken]]))).rejects.toThrow(/device lost/);
    expect(await readFile(file)).toEqual(before);
    expect((await readdir(folder.path)).filter((name) => name.endsWith(".partial"))).toEqual([]);
  });

  it("converts 16-bit floats and doubles", () => {
    const convert = (dtype: DType, data: TensorData) => [...toFloat32({ dtype, shape: [data.length], data })];
    expect(convert("F16", Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0xfc00))).toEqual([
      1,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      -0,
      Infinity,
      -Infinity,
    ]);
    expect(convert("F16", Uint16Array.of(0x7e00))).toEqual([NaN]);
    expect(convert("BF16", Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x0080))).toEqual([1, -2, Infinity, 2 ** -126]);
    expect(convert("F64", Float64Array.of(0.1))).toEqual([Math.fround(0.1)]);
    expect(() => toFloat32({ dtype: "I64", shape: [1], data: BigInt64Array.of(1n) }, "ids")).toThrow(
      "ids: expected a floating-point tensor, got I64",
    );
  });

  const bad: [string, () => Promise<string>, RegExp][] = [
    ["no file", async () => fresh(), /no such file/],
    ["a folder", async () => folder.path, /folder|not a regular file/],
    [
      "7 bytes",
      async () => {
        const file = fresh();
        await writeFile(file, "1234567");
        return file;
      },
      /truncated: 7 bytes/,
    ],
    ["a header longer than the file", () => handMade("{}", 0, 100n), /truncated: the header should have 100 bytes, the file has 2/],
    ["a header of 2^63 bytes", () => handMade("{}", 0, 2n ** 63n), /header too large/],
    ["invalid UTF-8", () => handMade(Uint8Array.of(0x7b, 0xff, 0x7d), 0), /not UTF-8/],
    ["no JSON", () => handMade("{a}", 0), /not JSON/],
    ["a byte-order mark", () => handMade("\ufeff{}", 0), /not JSON/],
    ["an array", () => handMade("[]", 0), /not a JSON object/],
    [
      "one name twice",
      () => handMade(`{"a":${JSON.stringify(entry([1], 0, 4))},"\\u0061"  :${JSON.stringify(entry([1], 4, 8))}}`, 8),
      /"a" twice/,
    ],
    ["one field twice", () => handMade('{"a":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}', 0), /"dtype" twice/],
    ["an unknown dtype", () => handMade({ a: entry([1], 0, 4, "F4") }, 4), /"a": unknown dtype "F4"/],
    ["a dtype named like an object's member", () => handMade({ a: entry([1], 0, 4, "constructor") }, 4), /unknown dtype/],
    ["a negative size", () => handMade({ a: entry([-1], 0, 4) }, 4), /"a": the shape is \[-1\]/],
    ["a fractional size", () => handMade({ a: entry([0.5], 0, 2) }, 2), /the shape is/],
    ["a shape product beyond 2^53", () => handMade({ a: entry([2 ** 40, 2 ** 40], 0, 4) }, 4), /too large/],
    ["sizes that don't match the offsets", () => handMade({ a: entry([2], 0, 4) }, 4), /takes 8 bytes, data_offsets give it 4/],
    ["offsets in reverse", () => handMade({ a: entry([0], 4, 0) }, 4), /expected \[begin, end\]/],
    ["three offsets", () => handMade({ a: { dtype: "U8", shape: [1], data_offsets: [0, 1, 2] } }, 1), /expected \[begin, end\]/],
    ["a tensor beyond the end", () => handMade({ a: entry([2], 0, 8) }, 4), /"a": truncated: it ends at byte/],
    ["overlapping tensors", () => handMade({ a: entry([2], 0, 8), b: entry([1], 4, 8) }, 8), /"b" and "a" overlap/],
    ["a gap", () => handMade({ a: entry([1], 0, 4), b: entry([1], 8, 12) }, 12), /4 bytes between "a" and "b"/],
    ["bytes left over", () => handMade({ a: entry([1], 0, 4) }, 5), /1 bytes after "a"/],
    ["metadata that isn't text", () => handMade({ __metadata__: { step: 1 } }, 0), /"step" is not a string/],
    ["an entry that is a number", () => handMade({ a: 1 }, 0), /"a": its entry is not/],
  ];
  it.each(bad)("refuses %s", async (_, make, message) => {
    const file = await make();
    for (const read of [readSafetensors, readSafetensorsHeader]) {
      const error = await read(file).then(
        () => undefined,
        (reason) => reason,
      );
      expect(error).toBeInstanceOf(CheckpointError);
      expect(error.message).toMatch(message);
      expect(error.message.startsWith(file)).toBe(true);
    }
  });

  it("takes an own name for what it is", async () => {
    const file = fresh();
    const tensors = new Map([
      ["__proto__", hostTensor([1], Float32Array.of(1))],
      ['ä "quoted" \\ \n', hostTensor([0], new Float32Array(0))],
    ]);
    await writeSafetensors(file, tensors, { __proto__x: "y" });
    expect(await readSafetensors(file)).toEqual(tensors);
    await expect(readSafetensors(file, { names: ["missing"] })).rejects.toThrow('there is no tensor "missing"');
    await expect(writeSafetensors(file, new Map([["__metadata__", hostTensor([], Float32Array.of(1))]]))).rejects.toThrow(
      /can't be the name/,
    );
  });

  const arrays: [DType, (length: number) => fc.Arbitrary<TensorData>][] = [
    ["F32", (length) => fc.float32Array({ minLength: length, maxLength: length })],
    ["F64", (length) => fc.float64Array({ minLength: length, maxLength: length })],
    ["I64", (length) => fc.bigInt64Array({ minLength: length, maxLength: length })],
    ["I32", (length) => fc.int32Array({ minLength: length, maxLength: length })],
    ["BF16", (length) => fc.uint16Array({ minLength: length, maxLength: length })],
    ["BOOL", (length) => fc.uint8Array({ minLength: length, maxLength: length, max: 1 })],
  ];
  const tensor: fc.Arbitrary<HostTensor> = fc
    .tuple(fc.constantFrom(...arrays), fc.array(fc.nat(4), { maxLength: 3 }))
    .chain(([[dtype, make], shape]) => make(elementCount(shape)).map((data) => ({ dtype, shape, data })));
  const name = fc.string({ unit: "binary" }).filter((text) => text !== "__metadata__");
  const files = fc.uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key, maxLength: 6 }).map((entries) => new Map(entries));

  it("gives back what was written", async () => {
    await fc.assert(
      fc.asyncProperty(files, fc.dictionary(fc.string(), fc.string()), async (tensors, metadata) => {
        const file = path.join(folder.path, "round-trip");
        await writeSafetensors(file, tensors, metadata);
        expect(new Map([...(await readSafetensors(file))].sort())).toEqual(new Map([...tensors].sort()));
        expect(Object.entries((await readSafetensorsHeader(file)).metadata).sort()).toEqual(Object.entries(metadata).sort());
      }),
      { numRuns: 60 },
    );
  });

  it("answers changed bytes with tensors or with its own error, never otherwise", async () => {
    const mutations = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(files, mutations, fc.option(fc.nat()), async (tensors, changes, cut) => {
        const file = path.join(folder.path, "mutated");
        await writeSafetensors(file, tensors);
        let bytes = await readFile(file);
        // Most of the checks guard the header, so most of the changes go there.
        const focus = 8 + Number(bytes.readBigUInt64LE(0));
        for (const { at, byte } of changes) bytes[at % focus] = byte;
        if (cut !== null) bytes = bytes.subarray(0, cut % bytes.length);
        await writeFile(file, bytes);
        const result = await readSafetensors(file).catch((error) => error);
        if (result instanceof Map) for (const { data, shape } of result.values()) expect(data.length).toBe(elementCount(shape));
        else expect(result).toBeInstanceOf(CheckpointError);
      }),
      { numRuns: 150 },
    );
  });
});
