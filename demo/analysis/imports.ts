import { lineAt, lineStarts } from "./markdown.ts";

/** The imports of JavaScript and TypeScript files, read from their text. */

export interface Import {
  line: number;
  specifier: string;
  /** True for `import type` and `export type`: gone at run time. */
  typeOnly: boolean;
}

const STATIC = /^[ \t]*(import|export)\b([^;'"`]*?)\bfrom\s*["']([^"'\n]+)["']|^[ \t]*import\s*["']([^"'\n]+)["']/gm;
const CALL = /(?<![.\w$])(?:import|require)\(\s*["']([^"'\n]+)["']\s*\)/g;

/** Comments blanked out; what looks like one inside a text (a URL) stays, because `//` must follow a blank or begin the line. */
function withoutComments(text: string): string {
  const blank = (match: string) => match.replaceAll(/[^\n]/g, " ");
  return text.replaceAll(/^[ \t]*\/\*[\s\S]*?\*\//gm, blank).replaceAll(/(?<=^|[\s;{}(,])\/\/[^\n]*/gm, blank);
}

export function importsOf(source: string): Import[] {
  const text = withoutComments(source);
  const starts = lineStarts(text);
  const found: Import[] = [];
  for (const match of text.matchAll(STATIC)) {
    const specifier = match[3] ?? match[4];
    // The line of the keyword, also when blank lines stand before it.
    const offset = match.index + match[0].search(/\S/);
    if (specifier === undefined) continue;
    found.push({
      line: lineAt(starts, offset),
      specifier,
      typeOnly: /^\s*type\b(?!\s*,|\s+from\b)/.test(match[2] ?? ""),
    });
  }
  for (const match of text.matchAll(CALL)) {
    if (match[1] !== undefined && !insideText(text, match.index))
      found.push({ line: lineAt(starts, match.index), specifier: match[1], typeOnly: false });
  }
  return found;
}

/** True when a quote is open on that line: the source of a test or a template, not code. */
function insideText(text: string, offset: number): boolean {
  const before = text.slice(text.lastIndexOf("\n", offset) + 1, offset).replaceAll(/\\./g, "");
  let open: string | undefined;
  for (const character of before) {
    if (open === undefined && /["'`]/.test(character)) open = character;
    else if (character === open) open = undefined;
  }
  return open !== undefined;
}

/** `lodash/fp` → `lodash`, `@scope/name/x` → `@scope/name`; undefined for what is no package: relative, `#`, `node:`, a URL. */
export function packageOf(specifier: string): string | undefined {
  if (/^[./#]|^[a-z]+:/i.test(specifier)) return undefined;
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0];
}
