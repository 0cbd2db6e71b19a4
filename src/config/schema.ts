/** The keys of a configuration schema, and what each accepts in words. */
import { z } from "zod";

/** A schema of nested strict objects whose values are configurations `C`. */
export type ConfigSchema<C> = z.ZodType<C, unknown>;

/** One key of a configuration. */
export interface ConfigKey {
  /** Dotted: "train.batchSize". */
  key: string;
  /** What it accepts: "an integer from 1 to 65536". */
  accepts: string;
  description: string;
  /** Whether a bare word is meant as text, even where it reads as a number. */
  textual: boolean;
}

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** Every key of a schema made of nested strict objects, in the order of the schema. */
export function configKeys(schema: z.ZodType): Map<string, ConfigKey> {
  const keys = new Map<string, ConfigKey>();
  const visit = (node: JsonSchema, path: string) => {
    for (const [name, child] of Object.entries(node.properties ?? {})) {
      const key = path ? `${path}.${name}` : name;
      const json = child as JsonSchema;
      if (json.type === "object") visit(json, key);
      else keys.set(key, { key, accepts: describe(json), description: json.description ?? "", textual: isText(json) });
    }
  };
  visit(z.toJSONSchema(schema, { io: "input" }), "");
  return keys;
}

function isText({ type, enum: values, anyOf }: JsonSchema): boolean {
  return (type === "string" && values === undefined) || (anyOf?.some((option) => isText(option as JsonSchema)) ?? false);
}

function describe(json: JsonSchema): string {
  if (json.anyOf) return json.anyOf.map((option) => describe(option as JsonSchema)).join(", or ");
  if (json.enum) return list(json.enum.map((value) => JSON.stringify(value)));
  if (json.prefixItems) {
    const items = json.prefixItems as JsonSchema[];
    return `a list of ${items.length} numbers [${items.map((item) => range(item)).join(", ")}]`;
  }
  switch (json.type) {
    case "integer":
      return `an integer ${range(json)}`;
    case "number":
      return `a number ${range(json)}`;
    case "boolean":
      return "true or false";
    case "null":
      return "null";
    case "array": {
      const items = json.items as JsonSchema;
      return `a list of ${json.minItems} to ${json.maxItems} numbers, each ${range(items)}`;
    }
    default:
      return json.examples ? `a text such as ${JSON.stringify(json.examples[0])}` : "a text";
  }
}

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const low = exclusiveMinimum === undefined ? `from ${minimum}` : `above ${exclusiveMinimum}`;
  return `${low} ${exclusiveMaximum === undefined ? `to ${maximum}` : `to below ${exclusiveMaximum}`}`;
}

function list(words: string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
