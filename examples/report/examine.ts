/** What the report says about one Markdown file. */
export interface FileReport {
  file: string;
  words: number;
  /** What a careful editor would complain about, each with its line. */
  problems: string[];
}

interface Heading {
  level: number;
  text: string;
  line: number;
}

/** Lines outside of fenced code blocks, with their numbers. */
function proseOf(markdown: string): { text: string; line: number }[] {
  let fenced = false;
  return markdown.split("\n").flatMap((text, index) => {
    if (/^\s*(```|~~~)/.test(text)) {
      fenced = !fenced;
      return [];
    }
    return fenced ? [] : [{ text, line: index + 1 }];
  });
}

/**
 * Counts the words of a Markdown file, code blocks aside, and checks its headings: one title, no skipped level, none twice
 * under the same heading.
 *
 * @example
 * examine("a.md", "# Title\n### Deep"); // { file: "a.md", words: 4, problems: ["line 2: level 3 follows level 1"] }
 */
export function examine(file: string, markdown: string): FileReport {
  const prose = proseOf(markdown);
  const headings = prose.flatMap(({ text, line }): Heading[] => {
    const [, marks = "", title = ""] = /^(#{1,6})\s+(.*)$/.exec(text) ?? [];
    return marks === "" ? [] : [{ level: marks.length, text: title.trim(), line }];
  });
  const words = prose.flatMap(({ text }) => text.split(/\s+/)).filter((word) => /[\p{L}\p{N}]/u.test(word));
  return { file, words: words.length, problems: [...titleProblems(headings), ...orderProblems(headings)] };
}

function titleProblems(headings: readonly Heading[]): string[] {
  const titles = headings.filter(({ level }) => level === 1);
  if (titles.length === 0) return ["there is no title (# …)"];
  return titles.slice(1).map(({ line }) => `line ${line}: a second title`);
}

function orderProblems(headings: readonly Heading[]): string[] {
  const above: Heading[] = [];
  const seen = new Set<string>();
  return headings.flatMap((heading) => {
    const { level, text, line } = heading;
    while ((above.at(-1)?.level ?? 0) >= level) above.pop();
    const parent = above.at(-1);
    above.push(heading);
    const path = above.map((one) => one.text.toLowerCase()).join(" > ");
    const problems: string[] = [];
    if (parent !== undefined && level > parent.level + 1) {
      problems.push(`line ${line}: level ${level} follows level ${parent.level}`);
    }
    if (seen.has(path)) problems.push(`line ${line}: "${text}" comes twice`);
    seen.add(path);
    return problems;
  });
}

/** The report as a page. @param failed files that could not be examined, and why */
export function page(title: string, files: readonly FileReport[], failed: readonly string[]): string {
  const total = files.reduce((sum, { words }) => sum + words, 0);
  const rows = files.map(({ file, words, problems }) => `| ${file} | ${words} | ${problems.length} |`);
  const problems = files.flatMap(({ file, problems: found }) => found.map((problem) => `- ${file}, ${problem}`));
  return [
    `# ${title}`,
    "",
    `${files.length} files, ${total} words, ${problems.length} problems`,
    "",
    "| file | words | problems |",
    "| --- | ---: | ---: |",
    ...rows,
    "",
    ...problems,
    ...failed.map((reason) => `- not examined: ${reason}`),
    "",
  ].join("\n");
}
