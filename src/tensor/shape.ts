/** Lengths of a tensor's axes, outermost first. */
export type Shape = readonly number[];

/** Number of elements. */
export function countOf(shape: Shape): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** `[5,8]`, as error messages write shapes. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(",")}]`;
}

/** A size or shape that doesn't fit: `linear: x: expected [5,16], got [5,8]`. */
export class ShapeError extends Error {
  override readonly name = "ShapeError";
}

/** Throws {@link ShapeError} unless `actual` is `expected`; `where` names operation and argument. */
export function expectShape(where: string, actual: Shape, expected: Shape): void {
  if (actual.length === expected.length && expected.every((length, axis) => length === actual[axis])) return;
  throw new ShapeError(`${where}: expected ${formatShape(expected)}, got ${formatShape(actual)}`);
}
