/** Sequences of token ids, whatever they were made of. */
export interface TokenSource {
  /** For people: what it is, where it is, how large. */
  readonly description: string;
  readonly size: number;
  /** A name that finds the sequence again. */
  name(index: number): string;
  /** Tokens in a sequence, known without reading it. */
  length(index: number): number;
  /** The ids of a sequence, `<s>` first. */
  read(index: number): Promise<Int32Array>;
}
