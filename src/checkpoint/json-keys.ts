/** Finds object keys that occur twice, which `JSON.parse` silently merges. */

/**
 * The first key that stands twice in one object, or undefined.
 *
 * @param json a text that `JSON.parse` accepts
 */
export function duplicateKey(json: string): string | undefined {
  const scopes: (Set<string> | null)[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === "{") scopes.push(new Set());
    else if (character === "[") scopes.push(null);
    else if (character === "}" || character === "]") scopes.pop();
    else if (character === '"') {
      const start = at++;
      while (json[at] !== '"') at += json[at] === "\\" ? 2 : 1;
      const keys = scopes.at(-1);
      let next = at + 1;
      while (" \t\r\n".includes(json[next])) next++;
      if (!keys || json[next] !== ":") continue;
      const key = JSON.parse(json.slice(start, at + 1)) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}
