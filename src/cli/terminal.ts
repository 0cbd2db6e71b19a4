/** What the command line writes: results to stdout, everything else to stderr. */
import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** Writes a line of the result to stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Writes a line for people to stderr. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The text in a style where `stream` shows colours: on a terminal, and not with NO_COLOR. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stderr): string {
  return stream.isTTY && stream.hasColors() ? styleText(style, text) : text;
}

/** Rows as aligned columns, two spaces apart; columns in `right` are aligned to the right. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join("  ")
      .trimEnd(),
  );
}

/** A duration in its two largest units: "2 h 5 min", "3 min 20 s", "12 s". */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return whole >= 60 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${whole} s`;
}

/** A number with separators of thousands: "465,034". */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** A fraction as "81.4 %". */
export function formatPercent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}

/** A reader that has gone away (`| head`) is no reason to fail: what was still to be written is dropped. */
export function ignoreBrokenPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}

/** Metrics by name for people: fractions of correct answers and error rates in per cent, the rest as numbers. */
export function formatMetrics(metrics: Readonly<Record<string, number>>): string {
  const isPercent = (name: string) => /^(accuracy|wer|cer)/.test(name);
  return Object.entries(metrics)
    .map(([name, value]) => {
      const title = name === "wer" || name === "cer" ? name.toUpperCase() : name;
      return `${title} ${isPercent(name) ? formatPercent(value) : value.toFixed(3)}`;
    })
    .join(", ");
}
