/** The error of everything that reads or writes files of a model: what it says names the file and what is wrong with it. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

/** The system's code of a failed call ("ENOENT", "ENOSPC"), or undefined for other errors. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** A file-system error in words: which file, and what is wrong with it. */
export function fileError(file: string, error: unknown): CheckpointError {
  if (error instanceof CheckpointError) return error;
  const words: Record<string, string> = {
    ENOENT: "no such file or folder",
    EACCES: "no permission",
    EPERM: "no permission",
    EISDIR: "is a folder, expected a file",
    ENOTDIR: "a part of the path is a file, expected a folder",
    ENOSPC: "the disk is full",
    EDQUOT: "the disk quota is used up",
    EROFS: "the file system is read-only",
  };
  const code = systemCode(error);
  const reason = (code && words[code]) ?? (error instanceof Error ? error.message : String(error));
  return new CheckpointError(`${file}: ${reason}`, { cause: error });
}
