/** `data2vec tokenizer`: training from files, what it writes, and showing the tokens of a text. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { Tokenizer as Peer } from "@huggingface/tokenizers";
import { afterAll, describe, expect, it } from "vitest";
import { sentences } from "../data/text/corpus-text.js";
import { cli, jsonOf, temporaryFolder } from "./run-cli.js";

const root = temporaryFolder();
afterAll(() => rmSync(root, { recursive: true }));

function write(name: string, content: string | Uint8Array): string {
  const file = path.join(root, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

describe("tokenizer train", () => {
  it("makes the same tokenizer of the same sentences, whatever files they are in", async () => {
    const lines = sentences(120);
    const whole = write("whole.txt", lines.join("\n"));
    write("parts/a.txt.gz", gzipSync(lines.slice(0, 50).join("\r\n\r\n")));
    write(
      "parts/b.jsonl",
      lines
        .slice(50)
        .map((text) => `${JSON.stringify({ body: text })}\n`)
        .join(""),
    );
    const first = jsonOf(await cli("tokenizer", "train", whole, "--vocab", "400", "--out", path.join(root, "t1"), "--json"));
    expect(first).toMatchObject({ vocab: 400, merges: 139 });
    const args = ["--field", "body", "--vocab", "400", "--out", path.join(root, "t2")];
    expect(await cli("tokenizer", "train", path.join(root, "parts"), ...args)).toMatchObject({ code: 0, stdout: "" });
    const names = readdirSync(path.join(root, "t1")).sort();
    expect(names).toEqual(["merges.txt", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json"]);
    for (const name of names) expect(readFileSync(path.join(root, "t2", name))).toEqual(readFileSync(path.join(root, "t1", name)));

    const { encodings } = jsonOf(await cli("tokenizer", "encode", "--tokenizer", path.join(root, "t1"), "--json", lines[0]!, "né"));
    const file = (name: string) => JSON.parse(readFileSync(path.join(root, "t1", name), "utf8"));
    const peer = new Peer(file("tokenizer.json"), file("tokenizer_config.json"));
    expect(encodings[0].ids).toEqual(peer.encode(lines[0]!, { add_special_tokens: false }).ids);
    expect(encodings[1].pieces.join("")).toBe("nÃ©");
    const shown = await cli("tokenizer", "encode", "--tokenizer", path.join(root, "t1"), "né");
    expect(shown.stdout).toBe(`${encodings[1].pieces.join(" ")}\n${encodings[1].ids.join(" ")}\n`);
  });

  it("says so where the text is too small for the vocabulary", async () => {
    const { code, stderr } = await cli("tokenizer", "train", write("small.txt", "ab ab\n"), "--out", path.join(root, "small"));
    expect(code).toBe(0);
    expect(stderr).toContain("262 tokens instead of 8,000");
  });

  it("overwrites no tokenizer", async () => {
    const text = write("some.txt", "ab ab ab\n");
    const target = write("old/tokenizer.json", "{}");
    const { code, stderr } = await cli("tokenizer", "train", text, "--out", path.dirname(target));
    expect(code).toBe(2);
    expect(stderr).toContain("tokenizer.json: is there already\nchoose another folder");
    expect(readFileSync(target, "utf8")).toBe("{}");
  });

  it.each<[string, () => string, number, string]>([
    ["a missing file", () => path.join(root, "no.txt"), 1, "no.txt: no such file or folder"],
    ["a folder without text", () => path.dirname(write("images/a.png", "x")), 1, "images: no text found\naccepted: .txt"],
    ["an empty file", () => write("empty.txt", "\n \n"), 1, "there is no text to learn from"],
    ["a line that isn't UTF-8", () => write("latin.txt", Buffer.from("good\nb\xe4d\n", "latin1")), 1, "latin.txt:2: not UTF-8"],
    ["JSON lines of another field", () => write("other.jsonl", '{"body":"x"}\n'), 1, 'other.jsonl:1: expected a text in the field "text"'],
  ])("refuses %s and writes nothing", async (_, corpus, expected, message) => {
    const out = path.join(root, "refused");
    const { code, stderr } = await cli("tokenizer", "train", corpus(), "--out", out);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n {4}at /);
    expect({ code, written: existsSync(out) }).toEqual({ code: expected, written: false });
  });

  it.each([
    [["train", "x.txt"], "--out FOLDER is needed"],
    [["train", "x.txt", "--vocab", "200", "--out", "y"], "from 261 to 1048576"],
    [["encode", "text"], "--tokenizer FOLDER is needed"],
    [["trian"], "Did you mean train?"],
    [[], "Usage: data2vec tokenizer"],
  ])("ends with 2 for wrong use: %j", async (args, message) => {
    const { code, stderr } = await cli("tokenizer", ...args);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});
