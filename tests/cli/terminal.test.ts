import { describe, expect, it } from "vitest";
import { byteSize, fraction, integer } from "../../src/cli/options.js";
import { stepLine } from "../../src/cli/run.js";
import { formatSeconds, table } from "../../src/cli/terminal.js";

describe("what the command line reads", () => {
  it("whole numbers within their range", () => {
    expect(["1", " 12 ", "1e3", "+7"].map(integer(1, 1000))).toEqual([1, 12, 1000, 7]);
    for (const text of ["", "0", "1001", "1.5", "ten", "0x10", "1e-3"]) expect(() => integer(1, 1000)(text)).toThrow("from 1 to 1000");
  });

  it("fractions strictly between 0 and 1", () => {
    expect(["0.2", ".5", "1e-3"].map(fraction)).toEqual([0.2, 0.5, 0.001]);
    for (const text of ["", " ", "0", "1", "-0.1", "20%"]) expect(() => fraction(text)).toThrow("above 0 and below 1");
  });

  it("sizes in bytes, with units of 1024", () => {
    expect(["100", "2k", "512MiB", "1.5 GB", "1t"].map(byteSize)).toEqual([100, 2048, 512 * 2 ** 20, 1.5 * 2 ** 30, 2 ** 40]);
    for (const text of ["", "0", "-1", "MiB", "1x", "9e9g"]) expect(() => byteSize(text)).toThrow("512MiB");
  });
});

describe("what the command line writes", () => {
  it("durations in their two largest units", () => {
    expect([-1, 0.4, 59.4, 59.6, 3599, 3661, 90_000].map(formatSeconds)).toEqual([
      "0 s",
      "0 s",
      "59 s",
      "1 min 0 s",
      "59 min 59 s",
      "1 h 1 min",
      "25 h 0 min",
    ]);
  });

  it("tables in aligned columns", () => {
    const rows = [
      ["a", "10", "x"],
      ["bcd", "9", ""],
    ];
    expect(table(rows, [1])).toEqual(["a    10  x", "bcd   9"]);
  });

  it("a step with its deviations, EMA decay, speed and time left", () => {
    const metrics = { loss: 0.123456, targetDeviation: 0.98, predictionDeviation: 0.5, emaDecay: 0.9995 };
    const report = { step: 3, steps: 10, learningRate: 1, gradientNorm: 1, samplesPerSecond: 99.7, secondsLeft: 75, metrics };
    expect(stepLine(report)).toBe("step 3/10  loss 0.1235  target 0.980  prediction 0.500  EMA 0.99950  100 samples/s  1 min 15 s left");
    expect(stepLine({ ...report, step: 10, metrics: { loss: 2, accuracy: 0.25 } })).toBe(
      "step 10/10  loss 2.000  accuracy 25.0 %  100 samples/s",
    );
  });
});
