/** Folders of clips, LibriSpeech's folders, and fairseq's manifests, as lists of files. */
import { stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { listFiles } from "../folder.js";
import { readUtf8 } from "../utf8.js";
import type { AudioEntry, AudioList } from "./entries.js";
import { isFileColumn } from "./table.js";

/** Names of audio files. */
export const AUDIO_FILES = /\.(wav|wave|flac|ogg|oga|mp3)$/i;

const TRANSCRIPTS = /\.trans\.txt$/;

/**
 * The clips of a folder: LibriSpeech's where there are `*.trans.txt` files; else the class of a clip is the first folder on its path, and
 * where one lies directly in the folder, the whole set counts as unlabelled.
 *
 * @throws where there is none
 */
export async function readFolder(folder: string): Promise<AudioList> {
  const { found, others } = await listFiles(folder, AUDIO_FILES);
  if (found.length === 0) {
    const hint = others.length === 0 ? "it is empty" : `it has ${others.length} other files, such as ${others[0]}`;
    throw new Error(`${folder}: no .wav, .flac, .ogg or .mp3 file found; ${hint}`);
  }
  const transcripts = others.filter((path) => TRANSCRIPTS.test(path));
  if (transcripts.length > 0) return readLibriSpeech(folder, found, transcripts);
  const labelled = found.every((name) => name.includes("/"));
  const entries = found.map((name): AudioEntry => {
    const label = labelled ? name.slice(0, name.indexOf("/")) : null;
    return { name, file: join(folder, name), label, transcript: null };
  });
  return { path: folder, entries };
}

/** `SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac`, with the transcripts of a chapter in one file of lines `NAME WORDS`. */
async function readLibriSpeech(folder: string, clips: readonly string[], files: readonly string[]): Promise<AudioList> {
  const transcripts = new Map<string, string>();
  for (const file of files) {
    const lines = (await readUtf8(join(folder, file))).split(/\r?\n/);
    for (const line of lines) {
      if (line.trim() === "") continue;
      const space = line.search(/\s/);
      const name = space < 0 ? line : line.slice(0, space);
      transcripts.set(posixJoin(dirname(file), name), space < 0 ? "" : line.slice(space + 1).trim());
    }
  }
  const entries = clips.map((name): AudioEntry => {
    const transcript = transcripts.get(name.replace(AUDIO_FILES, ""));
    if (transcript === undefined) throw new Error(`${folder}: ${name}: the *.trans.txt files have no line for it`);
    return { name, file: join(folder, name), label: null, transcript };
  });
  return { path: folder, entries };
}

function posixJoin(folder: string, name: string): string {
  return folder === "." ? name : `${folder}/${name}`;
}

/** True where a `.tsv` file is a manifest: its first line is a folder, neither a header of several columns nor the name of one. */
export async function isManifest(path: string): Promise<boolean> {
  const [first] = (await readUtf8(path)).split(/\r?\n/, 1);
  return !first!.includes("\t") && !isFileColumn(first!.trim().toLowerCase());
}

/**
 * Reads a manifest of fairseq: the first line is the root folder, each other one `PATH<tab>SAMPLES`. Transcripts stand line by line in the
 * file of the same stem ending in `.wrd` (words) or `.ltr` (letters, `|` between words).
 *
 * @throws where it isn't well formed, its root isn't there, or the transcripts aren't as many
 */
export async function readManifest(path: string): Promise<AudioList> {
  const [rootLine, ...lines] = linesOf(await readUtf8(path));
  if (rootLine === undefined || lines.length === 0)
    throw new Error(`${path}: has no clips; expected a root folder, then lines PATH<tab>SAMPLES`);
  const root = resolve(dirname(path), rootLine);
  await stat(root).catch((cause: Error) => {
    throw new Error(`${path}:1: root folder ${root}: no such folder\nmake the first line the folder that the clips lie below`, { cause });
  });
  const transcripts = await readTranscripts(path, lines.length);
  const entries = lines.map((line, index): AudioEntry => {
    const [name, count, ...rest] = line.split("\t");
    const frames = Number(count);
    if (name === "" || rest.length > 0 || !Number.isSafeInteger(frames) || frames < 1) {
      throw new Error(`${path}:${index + 2}: expected PATH<tab>SAMPLES, got ${JSON.stringify(line)}`);
    }
    return { name: name!, file: join(root, name!), label: null, transcript: transcripts?.[index] ?? null, frames };
  });
  return { path, entries };
}

async function readTranscripts(manifest: string, count: number): Promise<string[] | null> {
  const stem = join(dirname(manifest), basename(manifest).replace(/\.tsv$/i, ""));
  for (const ending of [".wrd", ".ltr"]) {
    const text = await readUtf8(stem + ending).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    if (text === null) continue;
    const lines = linesOf(text);
    if (lines.length !== count)
      throw new Error(`${stem + ending}: expected ${count} lines, one a clip of the manifest, got ${lines.length}`);
    return ending === ".wrd" ? lines.map((line) => line.trim()) : lines.map(wordsOfLetters);
  }
  return null;
}

/** `T H E | C A T |` as `THE CAT`. */
function wordsOfLetters(line: string): string {
  return line.replaceAll(" ", "").replaceAll("|", " ").trim();
}

/** Lines without their ends; an empty line at the end is none. */
function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
