import { lineAt, lineStarts, withoutCode } from "./markdown.ts";
import { forEachFile, type Step } from "./step.ts";
import { readText } from "./walk.ts";

/** How hard the prose of Markdown files is to read (English). */

export interface FileReadability {
  file: string;
  words: number;
  sentences: number;
  wordsPerSentence: number;
  /** Flesch reading ease: 60–70 is plain English, below 30 very hard. */
  flesch: number;
}

export interface LongSentence {
  file: string;
  line: number;
  words: number;
  begins: string;
}

export interface ReadabilityReport {
  files: number;
  words: number;
  sentences: number;
  /** Files with enough prose to judge. */
  judged: FileReadability[];
  longSentences: LongSentence[];
  moreLongSentences: number;
}

/** A score of fewer words says little. */
const MIN_WORDS = 50;
const LONG_SENTENCE_WORDS = 40;
const SHOWN = 20;

interface Sentence {
  line: number;
  words: string[];
}

export async function judgeReadability(root: string, paths: readonly string[], step: Step): Promise<ReadabilityReport> {
  const judged: FileReadability[] = [];
  const long: LongSentence[] = [];
  let words = 0;
  let sentences = 0;
  await forEachFile(paths, step, async (file) => {
    const found = sentencesOf((await readText(root, file)) ?? "");
    const fileWords = found.reduce((sum, sentence) => sum + sentence.words.length, 0);
    words += fileWords;
    sentences += found.length;
    if (fileWords >= MIN_WORDS) judged.push(judge(file, found, fileWords));
    for (const { line, words: said } of found) {
      if (said.length <= LONG_SENTENCE_WORDS) continue;
      long.push({ file, line, words: said.length, begins: said.slice(0, 10).join(" ") });
    }
  });
  judged.sort((a, b) => a.flesch - b.flesch);
  long.sort((a, b) => b.words - a.words);
  return {
    files: paths.length,
    words,
    sentences,
    judged: judged.slice(0, 200),
    longSentences: long.slice(0, SHOWN),
    moreLongSentences: Math.max(0, long.length - SHOWN),
  };
}

function judge(file: string, found: readonly Sentence[], words: number): FileReadability {
  const syllables = found.reduce(
    (sum, sentence) => sum + sentence.words.reduce((all, word) => all + syllablesOf(word), 0),
    0,
  );
  const wordsPerSentence = words / found.length;
  const flesch = 206.835 - 1.015 * wordsPerSentence - 84.6 * (syllables / words);
  return {
    file,
    words,
    sentences: found.length,
    wordsPerSentence: Math.round(wordsPerSentence * 10) / 10,
    flesch: Math.round(flesch * 10) / 10,
  };
}

/** Prose only: no code, headings, tables, link targets, tags. A list item or paragraph ends a sentence in any case. */
export function sentencesOf(text: string): Sentence[] {
  const blank = (match: string) => match.replaceAll(/[^\n]/g, " ");
  const prose = withoutCode(text)
    .replace(/^---\n[\s\S]*?\n---\n/, blank)
    .replaceAll(/^ {0,3}#{1,6}\s.*$/gm, blank)
    .replaceAll(/^\s*\|.*$/gm, blank)
    .replaceAll(/^ {0,3}\[[^\]]+\]:.*$/gm, blank)
    .replaceAll(/\]\([^)\n]*\)/g, blank)
    .replaceAll(/<[^>\n]+>/g, blank)
    .replaceAll(/https?:\/\/\S+/g, blank);
  const starts = lineStarts(prose);
  const found: Sentence[] = [];
  // Blocks are separated by blank lines and begin with list markers or quotes; sentences end with . ! ? and a space.
  const block = /(?:^|\n)[ \t]*(?:\n|(?=[-*+>]\s|\d+[.)]\s))|[.!?]+["')\]*_]*(?=\s|$)/g;
  let from = 0;
  const take = (to: number) => {
    const words = wordsOf(prose.slice(from, to));
    const offset = from + prose.slice(from, to).search(/\S/);
    if (words.length > 0) found.push({ line: lineAt(starts, offset), words });
    from = to;
  };
  for (const match of prose.matchAll(block)) take(match.index + match[0].length);
  take(prose.length);
  return found;
}

function wordsOf(text: string): string[] {
  return text.match(/\p{L}[\p{L}\p{N}'’-]*/gu) ?? [];
}

/** A usual approximation: groups of vowels, without a silent e at the end. */
export function syllablesOf(word: string): number {
  const letters = word.toLowerCase().replaceAll(/[^a-z]/g, "");
  const groups = letters.replace(/(?<=[^aeiouy])e$/, "").match(/[aeiouy]+/g)?.length ?? 0;
  const ends = /[^aeiouy]le$/.test(letters) ? 1 : 0;
  return Math.max(1, groups + ends);
}
