import type { TextType } from "./schema.ts";

/** What the clauses of a query see: the tables of its FROM clause, and those of the queries around it. */

/** Columns by name, each with the kind of its texts. */
export type Columns = ReadonlyMap<string, TextType | undefined>;

/** Columns under other names, given in their order. */
export function renamed(columns: Columns | undefined, names: readonly string[]): Columns {
  const types = [...(columns?.values() ?? [])];
  return new Map(names.map((name, position) => [name, types[position]]));
}

/** A table as a FROM clause shows it. */
export interface Source {
  alias: string;
  /** undefined: any column may be there (system views). */
  columns: Columns | undefined;
}

export interface Scope {
  sources: Source[];
  outer: Scope | undefined;
}

/** The tables of one query that a column may be of, by its qualified name. */
export function sourcesOf(scope: Scope, path: readonly string[]): Source[] {
  return path.length === 1 ? scope.sources : scope.sources.filter(({ alias }) => alias === path.at(-2));
}

/** The texts of a column by its qualified name; undefined, too, when there is none. */
export function textTypeIn(scope: Scope | undefined, path: readonly string[]): TextType | undefined {
  const column = path.at(-1) ?? "";
  for (let at = scope; at !== undefined; at = at.outer) {
    const source = sourcesOf(at, path).find(({ columns }) => columns?.has(column));
    if (source !== undefined) return source.columns?.get(column);
  }
  return undefined;
}
