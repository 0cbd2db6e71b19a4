/** The alignment against a search through all paths. */
import { describe, expect, it } from "vitest";
import { Philox } from "../../../src/backend/philox.js";
import { alignCtc } from "../../../src/tasks/ctc/align.js";

/** Symbols and their frames of a path, repeats collapsed and blanks (0) dropped. */
function collapse(path: readonly number[]) {
  const symbols: { id: number; start: number; end: number }[] = [];
  for (const [frame, id] of path.entries()) {
    if (id === 0) continue;
    if (path[frame - 1] === id) symbols.at(-1)!.end = frame + 1;
    else symbols.push({ id, start: frame, end: frame + 1 });
  }
  return symbols;
}

function* paths(frames: number, classes: number): Generator<number[]> {
  for (let code = 0; code < classes ** frames; code++) {
    yield Array.from({ length: frames }, (_, frame) => Math.floor(code / classes ** frame) % classes);
  }
}

describe("alignCtc", () => {
  it.each([
    [1, []],
    [1, [2]],
    [3, [1]],
    [4, [1, 2]],
    [5, [1, 1]],
    [6, [2, 1, 1]],
    [6, [1, 2, 1]],
  ])("of %i frames with %j is the likeliest path that spells it", (frames, ids) => {
    for (let seed = 0; seed < 20; seed++) {
      const random = new Philox(seed, "align");
      const logProbs = Float32Array.from({ length: frames * 3 }, () => Math.log(random.uniform() + 1e-3));
      let best = { score: Number.NEGATIVE_INFINITY, path: [] as number[] };
      for (const path of paths(frames, 3)) {
        if (
          collapse(path)
            .map(({ id }) => id)
            .join() !== ids.join()
        )
          continue;
        const score = path.reduce((sum, id, frame) => sum + logProbs[frame * 3 + id], 0);
        if (score > best.score) best = { score, path };
      }
      expect(alignCtc(logProbs, 3, ids, 0)).toEqual(collapse(best.path));
    }
  });

  it("gives null where the text doesn't fit", () => {
    expect(alignCtc(new Float32Array(2 * 3), 3, [1, 1], 0)).toBeNull();
    expect(alignCtc(new Float32Array(0), 3, [1], 0)).toBeNull();
    expect(alignCtc(Float32Array.of(0, Number.NEGATIVE_INFINITY, 0), 3, [1], 0)).toBeNull();
    expect(alignCtc(new Float32Array(0), 3, [], 0)).toEqual([]);
  });
});
