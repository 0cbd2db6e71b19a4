import { describe, expect, it } from "vitest";
import { linear } from "../../src/ops/linear.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { devices } from "../devices.js";

describe.each(devices)("scopes on $name", ({ open }) => {
  it("give the same addresses at every step", () => {
    using device = open();
    const step = () => device.scoped(() => [device.empty([1000], "a").ptr, device.empty([3], "b").ptr, device.empty([2e6], "c").ptr]);
    expect(step()).toEqual(step());
  });

  it("end their tensors", () => {
    using device = open();
    const late = device.scoped(() => device.empty([5, 8], "x"));
    expect(() => late.ptr).toThrow("tensor x [5,8] was used after its scope ended");
  });

  it("give the memory of what was discarded to the next of its size, in the same scope", () => {
    using device = open();
    const step = () =>
      device.scoped(() => {
        const [x, y] = [device.empty([1000], "x"), device.empty([1000], "y")];
        const [first, second] = [x.ptr, y.ptr];
        device.discard(x);
        expect(() => x.ptr).toThrow("tensor x [1000] was used after it was discarded");
        expect(() => device.discard(x)).toThrow("used after it was discarded");
        expect(device.scoped(() => device.empty([1000], "inner").ptr)).not.toBe(first);
        expect(device.empty([3], "smaller").ptr).not.toBe(first);
        expect(device.empty([10, 100], "z").ptr).toBe(first);
        device.discard(y);
        return [first, second, device.empty([999], "w").ptr, device.empty([1000], "v").ptr];
      });
    const addresses = step();
    expect(step()).toEqual(addresses);
    expect(new Set(addresses)).toHaveLength(3);
  });

  it("discard what a computation made beside its result, where no gradient may need it", () => {
    using device = open();
    device.scoped(() => {
      const made: Tensor[] = [];
      const make = () => {
        const tensor = device.empty([1000], `tensor ${made.length}`);
        made.push(tensor);
        return tensor;
      };
      const compute = () => {
        make();
        device.scoped(make);
        device.discard(make());
        device.resultOf(() => {
          make();
          return make();
        });
        return make().reshape([10, 100]);
      };

      expect(device.resultOf(compute).ended).toBe(false);
      expect(made.map(({ ended }) => ended)).toEqual([false, true, true, false, false, false]);
      made.length = 0;
      const result = device.noGrad(() => device.resultOf(compute));
      expect(made.map(({ ended }) => ended)).toEqual([true, true, true, true, true, false]);
      expect(result.ptr).toBe(made[5].ptr);
      made.length = 0;
      device.temporarily(() => void compute());
      expect(made.map(({ ended }) => ended)).toEqual([true, true, true, true, true, true]);

      const addresses = Array.from({ length: 5 }, () => make().ptr);
      expect(new Set(addresses)).toHaveLength(5);
      const last = result.ptr;
      expect(addresses).not.toContain(last);
      device.discard(result);
      expect(make().ptr).toBe(last);
    });
  });

  it("discard no state", () => {
    using device = open();
    const state = device.state([3], "weights");
    expect(() => device.scoped(() => device.discard(state))).toThrow("weights: only tensors of a scope can be discarded");
    expect(state.ended).toBe(false);
  });

  it("discard nothing that is observed", async () => {
    using device = open();
    const seen: Tensor[] = [];
    await device.scoped(async () => {
      device.observe(
        (tensor) => seen.push(tensor),
        () => {
          device.discard(device.from([1, 2], [2]));
          device.from([3, 4], [2]);
        },
      );
      expect((await Promise.all(seen.map((tensor) => tensor.read()))).map((values) => [...values])).toEqual([
        [1, 2],
        [3, 4],
      ]);
    });
  });

  it("keep what is asked for, as long as the scope around them", async () => {
    using device = open();
    const kept = await device.scoped(async (outer) => {
      const inner = device.scoped((scope) => scope.keep(device.from([1, 2, 3], [3])));
      expect([...(await inner.read())]).toEqual([1, 2, 3]);
      return outer.keep(inner);
    });
    expect([...(await kept.read())]).toEqual([1, 2, 3]);
    const before = device.heap.used;
    device.release(kept);
    expect(device.heap.used).toBeLessThan(before);
  });

  it("close in order, also when a computation fails inside", () => {
    using device = open();
    const outer = device.scope();
    const inner = device.scope();
    expect(() => outer.end()).toThrow("still open");
    inner.end();
    expect(() =>
      device.scoped(() => {
        device.scope();
        throw new Error("inside");
      }),
    ).toThrow("inside");
    outer.end();
    expect(() => device.empty([1], "y")).toThrow("y: made outside of a scope");
  });

  it("say which shapes don't fit", () => {
    using device = open();
    device.scoped(() => {
      const x = device.empty([5, 8], "x");
      const weight = device.empty([4, 16], "weight");
      expect(() => linear(x, weight, null)).toThrow("linear: x: expected [5,16], got [5,8]");
      expect(() => x.reshape([3])).toThrow("reshape: [5,8] has 40 elements, [3] has 3");
    });
  });

  it("name the tensor when memory runs out", () => {
    using device = open();
    expect(() => device.scoped(() => device.empty([2 ** 40], "activations"))).toThrow(/out of memory: activations needs 4194304\.0 MiB/);
  });
});
