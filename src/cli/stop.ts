/** Ctrl-C and SIGTERM: the first asks the work to stop at the next good moment, the second leaves at once. */
import { EXIT } from "./failure.js";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Listens for the signals until it is disposed of. */
export class Stop implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener: () => void;

  /** @param announce called on the first signal */
  constructor(announce: () => void) {
    this.#listener = () => {
      if (this.#controller.signal.aborted) process.exit(EXIT.stopped);
      this.#controller.abort();
      announce();
    };
    for (const name of SIGNALS) process.on(name, this.#listener);
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#listener);
  }
}
