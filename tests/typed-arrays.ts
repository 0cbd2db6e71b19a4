/** Setup of all tests: typed arrays of the same bits are equal at once, where vitest would look at element after element for seconds. */
import { expect } from "vitest";

expect.addEqualityTesters([
  (a, b) => {
    if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b) || a.constructor !== b.constructor) return undefined;
    const [ours, theirs] = [a, b].map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength));
    // Others may still be equal, as two NaN are, or else differ in a way that vitest shows.
    return ours.equals(theirs) ? true : undefined;
  },
]);
