import { readSource, withoutComments } from "./sources.ts";

/** The verbs of the store, in the order of its interface and of those that it extends. */
export function storeVerbs(): string[] {
  return ["store.ts", "task-store.ts", "schedule-store.ts", "usage-store.ts"].flatMap((file) => {
    const text = withoutComments(readSource(`src/lib/store/${file}`).text);
    const body = /export interface (?:Store(?: extends [^{]*)?|\w+Store) \{([\s\S]*?)\n\}/.exec(text)?.[1] ?? "";
    return [...body.matchAll(/^ {2}([a-z]\w*)\(/gm)].map(([, verb = ""]) => verb);
  });
}
