import { createHash } from "node:crypto";
import { forEachFile, type Step } from "./step.ts";
import { extensionOf, readText } from "./walk.ts";

/** Text that stands in more than one place: whole files, and passages. */

export interface Place {
  file: string;
  line: number;
}

export interface Passage {
  lines: number;
  characters: number;
  first: Place;
  again: Place;
  begins: string;
}

export interface DuplicateReport {
  files: number;
  /** Files whose content an earlier file has, too. */
  copies: number;
  /** The largest groups of files with the same content. */
  identical: { bytes: number; files: string[] }[];
  /** Passages, longest first. */
  passages: Passage[];
  morePassages: number;
  /** Lines that repeat an earlier passage. */
  repeatedLines: number;
  comparedLines: number;
}

/** A passage is worth naming from so many characters on: about a paragraph, or eight lines of code. */
const MIN_CHARACTERS = 300;
/** Short lines (brackets, imports of one name) say nothing alone, so no passage is looked for from them. */
const MIN_START_CHARACTERS = 25;
/** Earlier places of the same line that are tried. */
const MAX_CANDIDATES = 8;
const SHOWN = 30;
/** Data and generated files repeat themselves by nature. */
const LEFT_OUT = new Set(["json", "lock", "csv", "tsv", "svg", "map", "xml", "snap", "ndjson", "jsonl"]);

interface Document {
  file: string;
  lines: string[];
}

export async function findDuplicates(root: string, paths: readonly string[], step: Step): Promise<DuplicateReport> {
  const byContent = new Map<string, { bytes: number; files: string[] }>();
  const finder = new PassageFinder();
  let files = 0;
  await forEachFile(paths, step, async (file) => {
    const text = await readText(root, file);
    if (text === undefined || text.trim() === "") return;
    files++;
    const hash = createHash("sha256").update(text).digest("hex");
    const group = byContent.get(hash);
    if (group !== undefined) {
      // Its passages are those of its twin.
      group.files.push(file);
      return;
    }
    byContent.set(hash, { bytes: Buffer.byteLength(text), files: [file] });
    if (!LEFT_OUT.has(extensionOf(file))) finder.add({ file, lines: text.split("\n").map((line) => line.trim()) });
  });
  const passages = finder.passages.toSorted((a, b) => b.characters - a.characters);
  const identical = [...byContent.values()].filter((group) => group.files.length > 1);
  return {
    files,
    copies: identical.reduce((sum, group) => sum + group.files.length - 1, 0),
    identical: identical
      .map(({ bytes, files: same }) => ({ bytes, files: same.slice(0, SHOWN) }))
      .sort((a, b) => b.bytes - a.bytes)
      .slice(0, SHOWN),
    passages: passages.slice(0, SHOWN),
    morePassages: Math.max(0, passages.length - SHOWN),
    repeatedLines: passages.reduce((sum, passage) => sum + passage.lines, 0),
    comparedLines: finder.lines,
  };
}

/** Walks each document once; at every line it asks whether what begins there has been seen before. */
class PassageFinder {
  readonly passages: Passage[] = [];
  lines = 0;
  readonly #starts = new Map<string, { document: Document; index: number }[]>();

  add(document: Document): void {
    const { lines } = document;
    this.lines += lines.length;
    let index = 0;
    while (index < lines.length) {
      const best = this.#longest(document, index);
      if (best !== undefined && best.characters >= MIN_CHARACTERS) {
        this.passages.push(best);
        index += best.lines;
        continue;
      }
      const line = lines[index] ?? "";
      if (line.length >= MIN_START_CHARACTERS) {
        const places = this.#starts.get(line) ?? [];
        if (places.length < MAX_CANDIDATES) this.#starts.set(line, [...places, { document, index }]);
      }
      index++;
    }
  }

  #longest(document: Document, index: number): Passage | undefined {
    const candidates = this.#starts.get(document.lines[index] ?? "") ?? [];
    let best: Passage | undefined;
    for (const earlier of candidates) {
      const { lines, characters } = commonRun(earlier, { document, index });
      if (best !== undefined && best.characters >= characters) continue;
      best = {
        lines,
        characters,
        first: { file: earlier.document.file, line: earlier.index + 1 },
        again: { file: document.file, line: index + 1 },
        begins: (document.lines[index] ?? "").slice(0, 100),
      };
    }
    return best;
  }
}

interface Position {
  document: Document;
  index: number;
}

/** How far two places say the same. In one document, the earlier one ends where the later one begins. */
function commonRun(earlier: Position, later: Position): { lines: number; characters: number } {
  const end = earlier.document === later.document ? later.index : earlier.document.lines.length;
  let lines = 0;
  let characters = 0;
  while (earlier.index + lines < end && later.index + lines < later.document.lines.length) {
    const line = later.document.lines[later.index + lines] ?? "";
    if (line !== earlier.document.lines[earlier.index + lines]) break;
    characters += line.length;
    lines++;
  }
  // Blank lines at the end belong to neither.
  while (lines > 0 && later.document.lines[later.index + lines - 1] === "") lines--;
  return { lines, characters };
}
