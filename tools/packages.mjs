/** Fetches packages of Debian and npm with their own clients, and unpacks what has the pinned checksum. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Fetches a package into a folder, or takes it from there, and unpacks it below `folder/NAME`.
 *
 * @param source `{ from: "debian" or "npm", name, version, sha256 }`
 * @returns the folder of its files
 */
export function unpack({ from, name, version, sha256 }, folder) {
  const debian = from === "debian";
  const archive = join(folder, debian ? `${name}_${version}_all.deb` : `${name}-${version}.tgz`);
  const target = join(folder, name);
  mkdirSync(target, { recursive: true });
  if (!existsSync(archive)) {
    if (debian) command("apt-get", ["download", "--quiet", `${name}=${version}`], folder);
    else command("npm", ["pack", "--silent", `${name}@${version}`], folder);
  }
  if (!existsSync(archive)) throw new Error(`${archive}: was not fetched`);
  const found = createHash("sha256").update(readFileSync(archive)).digest("hex");
  if (found !== sha256) throw new Error(`${archive}: its SHA-256 is ${found}, expected ${sha256}`);
  if (debian) command("dpkg-deb", ["-x", archive, target], folder);
  else command("tar", ["xzf", archive, "-C", target], folder);
  return debian ? target : join(target, "package");
}

function command(program, args, cwd) {
  try {
    execFileSync(program, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  } catch (cause) {
    const hint = program === "apt-get" ? "\nthe lists of packages may be old: apt-get update" : "";
    throw new Error(`${program} ${args.join(" ")} failed${hint}`, { cause });
  }
}
