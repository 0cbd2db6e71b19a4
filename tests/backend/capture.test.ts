import { describe, expect, it } from "vitest";
import { CaptureCache, type Recorder } from "../../src/backend/capture.js";
import { createReferenceBackend } from "../../src/backend/reference/index.js";
import { captureKey } from "../../src/tensor/capture-key.js";
import { Device } from "../../src/tensor/device.js";

/** Records what a step does by appending to `done`, and does it on replay. */
class Log implements Recorder {
  readonly done: string[] = [];
  readonly graphs = new Map<number, string[]>();
  #recorded: string[] | null = null;
  #last = 0;
  fails = false;

  work(name: string): void {
    (this.#recorded ?? this.done).push(name);
  }
  get recording(): boolean {
    return this.#recorded !== null;
  }
  beginCapture(): void {
    this.#recorded = [];
  }
  endCapture(keep: boolean): number {
    const recorded = this.#recorded!;
    this.#recorded = null;
    if (!keep || this.fails) return 0;
    this.graphs.set(++this.#last, recorded);
    return this.#last;
  }
  replay(graph: number): void {
    this.done.push(...this.graphs.get(graph)!);
  }
  drop(graph: number): void {
    this.graphs.delete(graph);
  }
}

describe("CaptureCache", () => {
  it("runs the first call as it is, records the second, and replays it and all that follow, for each key", () => {
    const log = new Log();
    let runs = 0;
    const step = new CaptureCache(log).wrap(
      (name: string) => {
        runs++;
        log.work(name);
      },
      (name) => name,
    );
    for (const name of ["a", "a", "a", "b", "a", "b", "b"]) step(name);
    expect(log.done).toEqual(["a", "a", "a", "b", "a", "b", "b"]);
    expect(runs).toBe(4);
    expect(log.graphs.size).toBe(2);
  });

  it("runs a step that can't be recorded as it is, every time and exactly once", () => {
    const log = new Log();
    const step = new CaptureCache(log).wrap(
      () => {
        log.work("before");
        if (log.recording) throw new Error("a step that is captured must not take data from the host");
        log.work("after");
      },
      () => "",
    );
    for (let i = 0; i < 4; i++) step();
    expect(log.done).toEqual(Array(4).fill(["before", "after"]).flat());
    expect(log.graphs.size).toBe(0);
  });

  it("runs as it is where the recording can't be made ready", () => {
    const log = new Log();
    log.fails = true;
    const step = new CaptureCache(log).wrap(
      () => log.work("x"),
      () => "",
    );
    for (let i = 0; i < 3; i++) step();
    expect(log.done).toEqual(["x", "x", "x"]);
  });

  it("throws what a step throws", () => {
    const log = new Log();
    const step = new CaptureCache(log).wrap(
      (bad: boolean) => {
        if (bad) throw new Error("no room");
        log.work("x");
      },
      () => "",
    );
    step(false);
    expect(() => step(true)).toThrow("no room");
    step(false);
    expect(log.done).toEqual(["x", "x"]);
  });

  it("records anew after addresses have moved, even while it records", () => {
    const log = new Log();
    const cache = new CaptureCache(log);
    let moves = false;
    let runs = 0;
    const step = cache.wrap(
      () => {
        runs++;
        log.work("x");
        if (moves) cache.invalidate();
      },
      () => "",
    );
    step();
    step();
    expect(log.graphs.size).toBe(1);
    cache.invalidate();
    expect(log.graphs.size).toBe(0);
    step();
    moves = true;
    step();
    expect(log.graphs.size).toBe(0);
    moves = false;
    const before = runs;
    step();
    step();
    expect(runs).toBe(before + 2);
    expect(log.done).toEqual(Array(6).fill("x"));
  });

  it("takes a step within a recorded one as a part of it", () => {
    const log = new Log();
    const cache = new CaptureCache(log);
    const inner = cache.wrap(
      () => log.work("inner"),
      () => "",
    );
    const outer = cache.wrap(
      () => {
        log.work("outer");
        inner();
      },
      () => "",
    );
    for (let i = 0; i < 5; i++) outer();
    expect(log.done).toEqual(Array(5).fill(["outer", "inner"]).flat());
  });

  it("keeps no more than 128 recordings of a step, and goes on without", () => {
    const log = new Log();
    const step = new CaptureCache(log).wrap(
      (n: number) => log.work(String(n)),
      (n) => String(n),
    );
    for (let round = 0; round < 3; round++) for (let n = 0; n < 200; n++) step(n);
    expect(log.graphs.size).toBe(128);
    expect(log.done).toHaveLength(600);
  });
});

describe("captureKey", () => {
  it("tells apart what changes the work of a step, and nothing else", () => {
    const device = new Device(createReferenceBackend());
    try {
      const a = device.state([2, 3], "a");
      const b = device.state([2, 3], "b");
      const module = new (class Module {})();
      const values = [a, b, a.reshape([3, 2]), { x: a }, { y: a }, { x: b }, [a], [a, b], 1, 2, "1", null, undefined, true, module];
      const keys = values.map(captureKey);
      expect(new Set(keys).size).toBe(values.length);
      expect(values.map(captureKey)).toEqual(keys);
      expect(captureKey({ x: a.reshape([2, 3]), y: 1 })).toBe(captureKey({ x: a, y: 1 }));
      expect(captureKey(new (class Module {})())).not.toBe(captureKey(module));
    } finally {
      device.close();
    }
  });
});
