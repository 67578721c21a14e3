import { printable } from "../../src/lib/model/printable.ts";
import type { DependencyReport } from "./dependencies.ts";
import type { DuplicateReport } from "./duplicates.ts";
import type { Inventory } from "./inventory.ts";
import type { LinkReport } from "./links.ts";
import type { ReadabilityReport } from "./readability.ts";

/** The findings as one Markdown page. */

export interface Findings {
  inventory: Inventory;
  links: LinkReport[];
  duplicates: DuplicateReport;
  readability: ReadabilityReport[];
  dependencies: DependencyReport;
}

export interface Totals {
  files: number;
  lines: number;
  linksChecked: number;
  brokenLinks: number;
  identicalFiles: number;
  repeatedPassages: number;
  longSentences: number;
  undeclaredImports: number;
  unresolvedImports: number;
  importCycles: number;
  unusedDependencies: number;
}

const LISTED = 40;

/** A cell of a table: what would end it is escaped. */
function text(value: string): string {
  return printable(value).replaceAll("|", "\\|");
}

function code(value: string): string {
  return `\`${text(value).replaceAll("`", "'")}\``;
}

/** @param count of all rows, when `rows` are only the first ones */
function table(
  titles: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  count: number = rows.length,
): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
  const shown = rows.slice(0, LISTED);
  const more = count > shown.length ? `\n\n… and ${number(count - shown.length)} more.` : "";
  return [line(titles), line(titles.map(() => "---")), ...shown.map(line)].join("\n") + more;
}

function section(title: string, ...parts: string[]): string {
  return [`## ${title}`, ...parts.filter((part) => part !== "")].join("\n\n");
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

/** Parts of the same check, done by different workers, as one. */
export function mergeLinks(parts: readonly LinkReport[]): LinkReport {
  const sum = (pick: (part: LinkReport) => number) => parts.reduce((all, part) => all + pick(part), 0);
  return {
    files: sum((part) => part.files),
    checked: sum((part) => part.checked),
    external: sum((part) => part.external),
    outside: sum((part) => part.outside),
    broken: parts.flatMap((part) => part.broken),
    moreBroken: sum((part) => part.moreBroken),
  };
}

export function mergeReadability(parts: readonly ReadabilityReport[]): ReadabilityReport {
  const sum = (pick: (part: ReadabilityReport) => number) => parts.reduce((all, part) => all + pick(part), 0);
  return {
    files: sum((part) => part.files),
    words: sum((part) => part.words),
    sentences: sum((part) => part.sentences),
    judged: parts.flatMap((part) => part.judged).sort((a, b) => a.flesch - b.flesch),
    longSentences: parts.flatMap((part) => part.longSentences).sort((a, b) => b.words - a.words),
    moreLongSentences: sum((part) => part.moreLongSentences),
  };
}

export function writeReport(folder: string, findings: Findings): { markdown: string; totals: Totals } {
  const links = mergeLinks(findings.links);
  const readability = mergeReadability(findings.readability);
  const { inventory, duplicates, dependencies } = findings;
  const totals = totalsOf(findings, links, readability);
  const markdown = [
    `# What five agents found in ${code(folder)}`,
    summary(totals),
    linkSection(links),
    dependencySection(dependencies),
    duplicateSection(duplicates),
    readabilitySection(readability),
    inventorySection(inventory),
    skippedSection(inventory),
  ].join("\n\n");
  return { markdown: `${markdown}\n`, totals };
}

function totalsOf(
  { inventory, duplicates, dependencies }: Findings,
  links: LinkReport,
  readability: ReadabilityReport,
): Totals {
  return {
    files: inventory.files,
    lines: inventory.lines,
    linksChecked: links.checked,
    brokenLinks: links.broken.length + links.moreBroken,
    identicalFiles: duplicates.copies,
    repeatedPassages: duplicates.passages.length + duplicates.morePassages,
    longSentences: readability.longSentences.length + readability.moreLongSentences,
    undeclaredImports: dependencies.counts.undeclared,
    unresolvedImports: dependencies.counts.unresolved,
    importCycles: dependencies.counts.cycles,
    unusedDependencies: dependencies.counts.unused,
  };
}

function summary(totals: Totals): string {
  const rows: [string, number][] = [
    ["files", totals.files],
    ["lines of text", totals.lines],
    ["relative links checked", totals.linksChecked],
    ["**broken links**", totals.brokenLinks],
    ["**imports of undeclared packages**", totals.undeclaredImports],
    ["**imports of files that are not there**", totals.unresolvedImports],
    ["**circles of imports**", totals.importCycles],
    ["declared packages that nothing mentions", totals.unusedDependencies],
    ["files that copy another one", totals.identicalFiles],
    ["passages that repeat another one", totals.repeatedPassages],
    ["sentences of more than 40 words", totals.longSentences],
  ];
  return table(
    ["", "count"],
    rows.map(([name, count]) => [name, number(count)]),
  );
}

function linkSection(links: LinkReport): string {
  const looked =
    `${number(links.checked)} relative links and anchors in ${number(links.files)} Markdown files were looked up; ` +
    `${number(links.external)} links to the web and ${number(links.outside)} to places above the folder were not.`;
  const rows = links.broken.map(({ file, line, target, why }) => [code(`${file}:${line}`), code(target), why]);
  const count = rows.length + links.moreBroken;
  return section(
    "Links",
    looked,
    rows.length === 0 ? "None is broken." : table(["where", "target", "problem"], rows, count),
  );
}

function dependencySection(report: DependencyReport): string {
  const manifests = report.manifests.map(({ path, name, dependencies, devDependencies, unused }) => [
    code(path),
    text(name),
    dependencies,
    devDependencies,
    unused.map(code).join(", ") || "–",
  ]);
  const places = (title: string, found: DependencyReport["undeclared"], count: number) =>
    found.length === 0
      ? ""
      : `${title}\n\n${table(
          ["where", "import"],
          found.map(({ file, line, specifier }) => [code(`${file}:${line}`), code(specifier)]),
          count,
        )}`;
  return section(
    "Dependencies",
    `${number(report.imports)} imports in ${number(report.sourceFiles)} JavaScript and TypeScript files.`,
    manifests.length === 0
      ? "There is no package.json."
      : table(
          ["manifest", "package", "dependencies", "for development", "mentioned nowhere"],
          manifests,
          report.counts.manifests,
        ),
    report.mostUsed.length === 0
      ? ""
      : `Most imported: ${report.mostUsed.map(({ name, files }) => `${code(name)} (${files})`).join(", ")}.`,
    places("Imported, but declared in no package.json above:", report.undeclared, report.counts.undeclared),
    places("Relative imports whose file is not there:", report.unresolved, report.counts.unresolved),
    report.cycles.length === 0
      ? "No modules import each other in a circle."
      : `Modules that import each other in a circle:\n\n${report.cycles
          .slice(0, LISTED)
          .map((cycle) => `- ${cycle.map(code).join(", ")}`)
          .join(
            "\n",
          )}${report.counts.cycles > LISTED ? `\n\n… and ${number(report.counts.cycles - LISTED)} more.` : ""}`,
  );
}

function duplicateSection({
  files,
  identical,
  passages,
  morePassages,
  repeatedLines,
  comparedLines,
}: DuplicateReport): string {
  const share = comparedLines === 0 ? 0 : (100 * repeatedLines) / comparedLines;
  const rows = passages.map(({ first, again, lines, characters, begins }) => [
    code(`${first.file}:${first.line}`),
    code(`${again.file}:${again.line}`),
    lines,
    number(characters),
    code(begins.slice(0, 60)),
  ]);
  return section(
    "Duplicate text",
    `${number(files)} text files were compared. ${number(repeatedLines)} of ${number(comparedLines)} lines (${share.toFixed(1)} %) repeat a passage of at least 300 characters that stands elsewhere; data files count only as wholes.`,
    identical.length === 0
      ? "No file is a copy of another."
      : `Files with the same content:\n\n${identical
          .slice(0, LISTED)
          .map(({ bytes, files: same }) => `- ${number(bytes)} bytes: ${same.map(code).join(", ")}`)
          .join("\n")}`,
    rows.length === 0
      ? "No passage repeats another."
      : table(["first", "again", "lines", "characters", "begins"], rows),
    morePassages > 0 ? `${number(morePassages)} shorter ones are not listed.` : "",
  );
}

function readabilitySection(report: ReadabilityReport): string {
  const hardest = report.judged
    .slice(0, 10)
    .map(({ file, words, wordsPerSentence, flesch }) => [code(file), number(words), wordsPerSentence, flesch]);
  const long = report.longSentences.map(({ file, line, words, begins }) => [
    code(`${file}:${line}`),
    words,
    text(begins),
  ]);
  return section(
    "Readability",
    `${number(report.words)} words in ${number(report.sentences)} sentences of prose in ${number(report.files)} Markdown files. Flesch reading ease is for English: 60–70 is plain, below 30 very hard.`,
    hardest.length === 0
      ? "No file has enough prose to judge."
      : `Hardest to read first:\n\n${table(["file", "words", "words per sentence", "reading ease"], hardest)}`,
    long.length === 0
      ? "No sentence is longer than 40 words."
      : `Sentences of more than 40 words:\n\n${table(["where", "words", "begins"], long, long.length + report.moreLongSentences)}`,
  );
}

function inventorySection(inventory: Inventory): string {
  const kinds = inventory.byExtension
    .slice(0, 15)
    .map(({ extension, files, bytes, lines }) => [code(extension), number(files), number(bytes), number(lines)]);
  const largest = inventory.largest.map(({ path, bytes }) => `- ${code(path)}: ${number(bytes)} bytes`);
  return section(
    "Inventory",
    `${number(inventory.files)} files in ${number(inventory.folders)} folders, ${number(inventory.bytes)} bytes; ${number(inventory.textFiles)} are text, with ${number(inventory.lines)} lines.`,
    table(["kind", "files", "bytes", "lines"], kinds),
    largest.length === 0 ? "" : `Largest:\n\n${largest.join("\n")}`,
    inventory.empty.length === 0 ? "" : `Empty: ${inventory.empty.map(code).join(", ")}.`,
  );
}

function skippedSection({ skipped }: Inventory): string {
  const more = skipped.moreFolders > 0 ? ` and ${number(skipped.moreFolders)} more` : "";
  const lines = [
    skipped.folders.length === 0 ? "" : `- folders: ${skipped.folders.map(code).join(", ")}${more}`,
    skipped.symbolicLinks === 0 ? "" : `- ${number(skipped.symbolicLinks)} symbolic links`,
    skipped.unreadable === 0 ? "" : `- ${number(skipped.unreadable)} files or folders that could not be read`,
    skipped.tooLargeToRead === 0 ? "" : `- the contents of ${number(skipped.tooLargeToRead)} files of more than 1 MiB`,
    skipped.moreFiles ? "- **everything after the first 3,000 files: this report is about a part of the folder**" : "",
    skipped.notListed === 0
      ? ""
      : `- the contents of ${number(skipped.notListed)} text files: the list of work was full`,
  ].filter((line) => line !== "");
  return section("Skipped", lines.length === 0 ? "Nothing." : lines.join("\n"));
}
