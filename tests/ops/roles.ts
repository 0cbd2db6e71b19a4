/** What the pointers of kernels point to where activations are bfloat16, as native/cuda/typed-kernels.h declares it. */
import { readFileSync } from "node:fs";
import type { Kernels, Pointer } from "../../src/backend/kernels.js";

/** "activation": bfloat16; "weight": float32 with a mirror in bfloat16, which products read; all else is as in float32. */
export type Role = "activation" | "weight" | "other";

/** Between the addresses of the buffers of {@link rolesOf}; no number of a case is a multiple. */
const STEP = 2 ** 40;
const header = readFileSync(new URL("../../native/cuda/typed-kernels.h", import.meta.url), "utf8");
const camelCase = (name: string) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** Of the kernels that know activations, by name, the role of each argument. */
const ROLES: ReadonlyMap<string, Role[]> = new Map(
  [...header.matchAll(/void (\w+)\(([^)]*)\);/g)].map(([, name, parameters]) => [
    camelCase(name),
    parameters.split(",").map((parameter): Role => {
      if (/\bT\*/.test(parameter)) return "activation";
      return /^(linear|conv1d)/.test(name) && /\* weight$/.test(parameter.trim()) ? "weight" : "other";
    }),
  ]),
);

/**
 * The roles of named buffers in what `run` calls; null when kernels take part that know no activations. Throws when a buffer would have to be
 * two things.
 */
export function rolesOf(run: (kernels: Kernels, at: Readonly<Record<string, Pointer>>) => void): ReadonlyMap<string, Role> | null {
  const names: string[] = [];
  const roles = new Map<string, Role>();
  let stateful = false;
  const at = new Proxy({} as Record<string, Pointer>, {
    get: (_, name: string) => {
      if (!names.includes(name)) names.push(name);
      return -STEP * (1 + names.indexOf(name));
    },
  });
  const kernels = new Proxy({} as Kernels, {
    get:
      (_, kernel: string) =>
      (...args: number[]) => {
        const declared = ROLES.get(kernel);
        if (declared === undefined) stateful = true;
        for (const [i, argument] of args.entries()) {
          const name = names[-1 - argument / STEP];
          const role = declared?.[i] ?? "other";
          if (name === undefined) continue;
          if ((roles.get(name) ?? role) !== role) throw new Error(`${kernel}: ${name} is ${role}, and was ${roles.get(name)} before`);
          roles.set(name, role);
        }
      },
  });
  try {
    run(kernels, at);
  } catch (error) {
    if (!stateful) throw error;
  }
  return stateful ? null : roles;
}
