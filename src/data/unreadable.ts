/** The sample couldn't be read: a loader's reason to skip it. Other errors are faults of the program or its settings. */
export class UnreadableError extends Error {
  override readonly name = "UnreadableError";
}

/**
 * Reads a sample, and marks its failure as one of the sample.
 *
 * @throws {@link UnreadableError}
 */
export async function readSample<T>(read: () => Promise<T>): Promise<T> {
  return read().catch((cause: Error) => {
    throw new UnreadableError(problemOf(cause), { cause });
  });
}

/** What is wrong with a file that can't be read, in words where the system has a code. */
export function problemOf(cause: NodeJS.ErrnoException): string {
  if (cause.code === "ENOENT") return "no such file";
  if (cause.code === "EISDIR") return "is a folder, not a file";
  return cause.message;
}
