/** The live line of long work: rewritten in place on a terminal, an occasional plain line elsewhere. */

/** Time between two lines where they can't be rewritten, and between two rewrites, in milliseconds. */
const PLAIN_INTERVAL = 10_000;
const LIVE_INTERVAL = 100;

/** One line on stderr that shows how far something is. */
export class Progress implements Disposable {
  readonly #stream = process.stderr;
  #last = Number.NEGATIVE_INFINITY;
  #shown = "";

  /** Shows where things stand, unless that was done a moment ago. */
  update(line: string): void {
    const now = performance.now();
    if (now - this.#last < (this.#stream.isTTY ? LIVE_INTERVAL : PLAIN_INTERVAL)) return;
    this.#show(line);
    this.#last = now;
  }

  /** Writes a line that stays, above the live one. */
  note(line: string): void {
    const live = this.#shown;
    this.#clear();
    this.#stream.write(`${line}\n`);
    if (this.#stream.isTTY && live !== "") this.#show(live);
  }

  /** Shows the last state and leaves it there. */
  finish(line: string): void {
    if (this.#stream.isTTY) this.#clear();
    if (this.#stream.isTTY || line !== this.#shown) this.#stream.write(`${line}\n`);
    this.#shown = "";
  }

  /** Takes the live line away. */
  [Symbol.dispose](): void {
    this.#clear();
  }

  #show(line: string): void {
    if (this.#stream.isTTY) this.#stream.write(`\r\x1b[2K${line.slice(0, this.#stream.columns - 1)}`);
    else this.#stream.write(`${line}\n`);
    this.#shown = line;
  }

  #clear(): void {
    if (this.#stream.isTTY && this.#shown !== "") this.#stream.write("\r\x1b[2K");
    this.#shown = "";
  }
}
