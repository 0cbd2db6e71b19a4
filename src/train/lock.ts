/** A lock file that names its holder, so that two runs never write to one folder and a dead run never blocks the next. */
import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { systemCode } from "../checkpoint/error.js";

interface Holder {
  pid: number;
  host: string;
  /** When the lock was taken, ISO 8601. */
  since: string;
  /** Tells the process from a later one with the same number; null where the system doesn't say. */
  identity: string | null;
}

/** The lock is held by somebody else. */
export class LockedError extends Error {
  override readonly name = "LockedError";
}

/**
 * Takes the lock `file` and returns what releases it. The lock of a process that has died is taken over.
 *
 * @throws LockedError naming the process that holds it
 */
export function acquireLock(file: string): () => void {
  const mine: Holder = { pid: process.pid, host: hostname(), since: new Date().toISOString(), identity: identityOf(process.pid) ?? null };
  const text = `${JSON.stringify(mine)}\n`;
  const candidate = `${file}.${process.pid}`;
  writeFileSync(candidate, text);
  try {
    // A link appears whole or not at all, and never over another.
    while (!tryLink(candidate, file)) takeOver(file, candidate);
  } finally {
    unlinkSync(candidate);
  }
  return () => {
    if (readOrNull(file) === text) unlinkSync(file);
  };
}

/** Removes the lock of a dead process; throws when its holder lives. */
function takeOver(file: string, candidate: string): void {
  const text = readOrNull(file);
  if (text === null) return;
  const holder = parseHolder(text);
  if (holder === null) throw new LockedError(`${file}: not a lock file of ours\ndelete it if no run uses this folder`);
  if (isAlive(holder)) {
    const where = holder.host === hostname() ? "" : ` on ${holder.host}`;
    const advice = where ? `\ndelete ${file} if that process is gone` : "\nwait for it, stop it, or choose another folder";
    throw new LockedError(`${file}: process ${holder.pid}${where} has been writing to this folder since ${holder.since}${advice}`);
  }
  const aside = `${candidate}.stale`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
    throw error;
  }
  // Somebody else may have taken it over in between: theirs goes back.
  if (readOrNull(aside) !== text) tryLink(aside, file);
  unlinkSync(aside);
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(systemCode(error) ?? "")) throw error;
  }
  try {
    // A file system without links: nearly as good, as the content comes a moment after the name.
    writeFileSync(to, readFileSync(from), { flag: "wx" });
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

function isAlive({ pid, host, identity }: Holder): boolean {
  if (host !== hostname()) return true;
  if (identity !== null) return identityOf(pid) === identity;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== "ESRCH";
  }
}

/** Boot and start time of a process on Linux; undefined for none, a dead one, or another system. */
function identityOf(pid: number): string | undefined {
  const boot = readOrNull("/proc/sys/kernel/random/boot_id");
  const status = readOrNull(`/proc/${pid}/stat`);
  if (boot === null || status === null) return undefined;
  // The name in parentheses may hold anything; after it come state (field 3) and start time (field 22).
  const fields = status.slice(status.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : `${boot.trim()} ${fields[19]}`;
}

function parseHolder(text: string): Holder | null {
  try {
    const { pid, host, since, identity } = JSON.parse(text);
    if (!Number.isSafeInteger(pid) || pid < 1 || typeof host !== "string") return null;
    return { pid, host, since: String(since), identity: typeof identity === "string" ? identity : null };
  } catch {
    return null;
  }
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
