/** Just enough Markdown to find links, headings and prose. */

/** The text with code (fenced, indented fences, inline) and comments blanked out; every line and column stays in place. */
export function withoutCode(text: string): string {
  const blank = (match: string) => match.replaceAll(/[^\n]/g, " ");
  let fence: string | undefined;
  const lines = text.split("\n").map((line) => {
    const marker = /^\s{0,3}(?:[-*+]\s+|\d+[.)]\s+|>\s*)*\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence === undefined) {
      if (marker === undefined) return line;
      fence = marker;
      return blank(line);
    }
    const closes = marker?.[0] === fence[0] && marker !== undefined && marker.length >= fence.length;
    if (closes && /^[\s>]*[`~]+\s*$/.test(line)) fence = undefined;
    return blank(line);
  });
  return lines
    .join("\n")
    .replaceAll(/<!--[\s\S]*?-->/g, blank)
    .replaceAll(/(`+)(?!`)([^\n]*?[^`\n])\1(?!`)/g, blank);
}

export interface Link {
  line: number;
  target: string;
}

const INLINE =
  /\]\(\s*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.)*\))+))(?:\s+(?:"[^"]*"|'[^']*'|\([^)]*\)))?\s*\)/g;
const DEFINITION = /^ {0,3}\[[^\]\n^][^\]\n]*\]:\s*(?:<([^<>\n]*)>|(\S+))/gm;
const HTML = /<(?:a|img)\b[^>]*?\s(?:href|src)\s*=\s*(?:"([^"]*)"|'([^']*)')/gi;

/** Every link and image: inline, by definition, and in HTML. */
export function findLinks(text: string): Link[] {
  const clean = withoutCode(text);
  const starts = lineStarts(clean);
  return [INLINE, DEFINITION, HTML]
    .flatMap((pattern) =>
      [...clean.matchAll(pattern)].map((match) => ({
        line: lineAt(starts, match.index),
        target: (match[1] ?? match[2] ?? "").replaceAll(/\\([!-/:-@[-`{-~])/g, "$1"),
      })),
    )
    .filter(({ target }) => target !== "")
    .sort((a, b) => a.line - b.line);
}

/** Offsets at which lines begin. */
export function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** The line (from 1) of an offset. */
export function lineAt(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low + 1;
}

/** What `#…` may name in a document: its headings in GitHub's spelling, and explicit anchors. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  const seen = new Map<string, number>();
  const fenceless = withoutFences(text);
  for (const match of fenceless.matchAll(
    /^ {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$|^([^\n#>|-][^\n]*)\n(?:=+|-{2,})[ \t]*$/gm,
  )) {
    const slug = slugOf(match[1] ?? match[2] ?? "");
    const repeats = seen.get(slug) ?? 0;
    seen.set(slug, repeats + 1);
    anchors.add(repeats === 0 ? slug : `${slug}-${repeats}`);
  }
  for (const match of text.matchAll(/<[a-z]+\b[^>]*?\s(?:id|name)\s*=\s*["']([^"']+)["']/gi)) {
    if (match[1] !== undefined) anchors.add(match[1].toLowerCase());
  }
  return anchors;
}

/** Headings may hold inline code, which counts for their anchor: only fences go. */
function withoutFences(text: string): string {
  return text.replaceAll(/^[ \t]*(`{3,}|~{3,})[^\n]*\n[\s\S]*?^[ \t]*\1[`~]*[ \t]*$/gm, (match) =>
    match.replaceAll(/[^\n]/g, " "),
  );
}

function slugOf(heading: string): string {
  return (
    heading
      .replaceAll(/!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])/g, "$1")
      // A tag goes, but what looks like one inside code stays.
      .replaceAll(/(`[^`]*`)|<\/?[a-z][\w-]*(?:\s[^<>]*)?>/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
      .trim()
      .replaceAll(" ", "-")
  );
}
