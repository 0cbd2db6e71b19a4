/** Metrics against hand-made numbers, definitions and simple-statistics. */
import fc from "fast-check";
import { sampleCorrelation, sampleRankCorrelation } from "simple-statistics";
import { describe, expect, it } from "vitest";
import { pearson, ranks, spearman } from "../../src/tasks/metrics/correlation.js";
import { f1, macroF1 } from "../../src/tasks/metrics/f1.js";
import { matthews } from "../../src/tasks/metrics/matthews.js";
import { METRICS, type MetricName, measure } from "../../src/tasks/metrics/metrics.js";

// 3 true positives, 1 false positive, 2 false negatives, 4 true negatives.
const PREDICTED = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0];
const EXPECTED = [1, 1, 1, 0, 1, 1, 0, 0, 0, 0];

describe("classes", () => {
  it("by hand", () => {
    expect(METRICS.accuracy(PREDICTED, EXPECTED)).toBeCloseTo(0.7, 12);
    // Precision 3/4, recall 3/5.
    expect(f1(PREDICTED, EXPECTED)).toBeCloseTo(2 / (4 / 3 + 5 / 3), 12);
    // Class 0: precision 4/6, recall 4/5.
    expect(f1(PREDICTED, EXPECTED, 0)).toBeCloseTo(2 / (6 / 4 + 5 / 4), 12);
    expect(macroF1(PREDICTED, EXPECTED)).toBeCloseTo((2 / 3 + 8 / 11) / 2, 12);
    // (3 * 4 - 1 * 2) / sqrt(4 * 5 * 5 * 6)
    expect(matthews(PREDICTED, EXPECTED)).toBeCloseTo(10 / Math.sqrt(600), 12);
  });

  it("matthews is the correlation of two classes, and of several that of their indicators", () => {
    const list = (most: number) => fc.array(fc.tuple(fc.nat(most), fc.nat(most)), { minLength: 2, maxLength: 60 });
    const split = (pairs: [number, number][]) => [pairs.map(([a]) => a), pairs.map(([, b]) => b)] as const;
    fc.assert(
      fc.property(list(1), (pairs) => {
        const [predicted, expected] = split(pairs);
        fc.pre(new Set(predicted).size === 2 && new Set(expected).size === 2);
        expect(matthews(predicted, expected)).toBeCloseTo(sampleCorrelation([...predicted], [...expected]), 10);
      }),
    );
    fc.assert(
      fc.property(list(3), (pairs) => {
        const [predicted, expected] = split(pairs);
        const covariance = (a: readonly number[], b: readonly number[]) =>
          [0, 1, 2, 3].reduce((sum, label) => {
            const share = (values: readonly number[]) => values.filter((value) => value === label).length / values.length;
            const both = a.filter((value, i) => value === label && b[i] === label).length / a.length;
            return sum + both - share(a) * share(b);
          }, 0);
        const spread = Math.sqrt(covariance(predicted, predicted) * covariance(expected, expected));
        const value = matthews(predicted, expected);
        expect(value).toBeCloseTo(spread < 1e-12 ? 0 : covariance(predicted, expected) / spread, 10);
      }),
    );
  });

  it("of constant predictions are defined", () => {
    expect(matthews([1, 1, 1], [1, 0, 1])).toBe(0);
    expect(matthews([1, 0, 1], [1, 1, 1])).toBe(0);
    expect(matthews([1, 1], [1, 1])).toBe(0);
    expect(f1([0, 0], [0, 0])).toBe(0);
    expect(f1([0, 0], [1, 0])).toBe(0);
    expect(f1([1, 1], [1, 1])).toBe(1);
    expect(macroF1([2, 2], [2, 2])).toBe(1);
    expect(macroF1([0, 0], [0, 1])).toBeCloseTo((2 / 3 + 0) / 2, 12);
    expect(matthews([0, 1, 2], [0, 1, 2])).toBeCloseTo(1, 12);
    expect(matthews([1, 0], [0, 1])).toBeCloseTo(-1, 12);
  });
});

describe("scores", () => {
  it("agree with simple-statistics", () => {
    const scores = fc.array(fc.tuple(fc.integer({ min: -8, max: 8 }), fc.double({ min: -5, max: 5, noNaN: true })), {
      minLength: 3,
      maxLength: 50,
    });
    fc.assert(
      fc.property(scores, (pairs) => {
        const [x, y] = [pairs.map(([a]) => a), pairs.map(([a, b]) => a + b)];
        fc.pre(new Set(x).size > 1 && Math.max(...y) - Math.min(...y) > 1e-3);
        expect(pearson(x, y)).toBeCloseTo(sampleCorrelation(x, y), 9);
        expect(spearman(x, y)).toBeCloseTo(sampleCorrelation([...ranks(x)], [...ranks(y)]), 9);
        // Its own ranks don't share among equal ones.
        if (new Set(x).size === x.length && new Set(y).size === y.length) {
          expect(spearman(x, y)).toBeCloseTo(sampleRankCorrelation(x, y), 9);
        }
      }),
    );
  });

  it("rank equal scores by their mean rank, by hand", () => {
    expect([...ranks([10, 20, 20, 5, 20])]).toEqual([2, 4, 4, 1, 4]);
    // Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
    expect(spearman([1, 2, 2, 3], [10, 20, 30, 40])).toBeCloseTo(4.5 / Math.sqrt(22.5), 12);
    expect(spearman([1, 10, 100], [1, 2, 3])).toBeCloseTo(1, 12);
    expect(pearson([1, 2, 3], [6, 4, 2])).toBeCloseTo(-1, 12);
  });

  it("of constant predictions are 0, however the mean rounds", () => {
    expect(
      pearson(
        new Array(10).fill(0.1),
        Array.from({ length: 10 }, (_, i) => i),
      ),
    ).toBe(0);
    expect(spearman([1, 2, 3], [0.1, 0.1, 0.1])).toBe(0);
    expect(pearson([1], [1])).toBe(0);
  });
});

describe("all", () => {
  it("refuse lists that don't match, are empty, or hold what isn't a number", () => {
    for (const name of Object.keys(METRICS) as MetricName[]) {
      expect(() => METRICS[name]([1, 0], [1])).toThrow(`${name}: 2 predictions for 1 samples`);
      expect(() => METRICS[name]([], [])).toThrow(`${name}: there are no samples`);
      expect(() => METRICS[name]([1, Number.NaN], [1, 0])).toThrow(`${name}: sample 1: expected a finite number, got NaN`);
    }
  });

  it("are measured together, with their mean", () => {
    const { values, mean } = measure(["accuracy", "f1"], PREDICTED, EXPECTED);
    expect(values.accuracy).toBeCloseTo(0.7, 12);
    expect(values.f1).toBeCloseTo(2 / 3, 12);
    expect(mean).toBeCloseTo((0.7 + 2 / 3) / 2, 12);
  });
});
