/** Steps that are recorded once for each shape of their input and replayed after. */

/** What an engine that can record its work offers. */
export interface Recorder {
  /** From here on, work is recorded and not done. */
  beginCapture(): void;
  /** Ends it: the number of what was recorded, or 0 when that can't be replayed or isn't to be kept. */
  endCapture(keep: boolean): number;
  /** Does the recorded work. */
  replay(graph: number): void;
  drop(graph: number): void;
}

/** Most keys that a step is recorded for; what it is called with beyond that runs as it is. */
const MOST_GRAPHS = 128;

/** "warm": ran once as it is; "eager": can't be recorded. */
type State = "warm" | "eager" | { graph: number };

/**
 * The recordings of one engine. The first call with a key runs as it is, so that memory and what kernels set up once are there; the second
 * is recorded, and replayed like all that follow. A step that can't be recorded (it takes data from the host, or reads) always runs as it is.
 */
export class CaptureCache {
  readonly #recorder: Recorder;
  readonly #states: Map<string, State>[] = [];
  #recording = false;
  #generation = 0;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** `keyOf` names all that decides which work `run` issues: addresses and shapes of its arguments, and the state that it depends on. */
  wrap<A extends unknown[]>(run: (...args: A) => void, keyOf: (...args: A) => string): (...args: A) => void {
    const states = new Map<string, State>();
    this.#states.push(states);
    return (...args) => {
      // A step within one that is being recorded is a part of it.
      if (this.#recording) return run(...args);
      const key = keyOf(...args);
      const state = states.get(key);
      if (typeof state === "object") return this.#recorder.replay(state.graph);
      if (state === "warm") {
        const generation = this.#generation;
        const graph = this.#record(() => run(...args));
        if (graph !== 0 && generation === this.#generation) {
          states.set(key, { graph });
          return this.#recorder.replay(graph);
        }
        // An address moved while it was recorded: the next call tries again.
        if (graph !== 0) this.#recorder.drop(graph);
        states.set(key, graph === 0 ? "eager" : "warm");
      }
      run(...args);
      if (state === undefined && states.size < MOST_GRAPHS) states.set(key, "warm");
    };
  }

  /** Forgets what was recorded: addresses that it holds have moved. */
  invalidate(): void {
    this.#generation++;
    for (const states of this.#states) {
      for (const state of states.values()) if (typeof state === "object") this.#recorder.drop(state.graph);
      states.clear();
    }
  }

  #record(run: () => void): number {
    this.#recorder.beginCapture();
    this.#recording = true;
    let complete = false;
    try {
      run();
      complete = true;
    } catch {
      // It runs again as it is, which throws what is wrong with it, if that isn't that it can't be recorded.
    } finally {
      this.#recording = false;
    }
    return this.#recorder.endCapture(complete);
  }
}
