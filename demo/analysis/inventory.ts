import { forEachFile, type Step } from "./step.ts";
import { countLines, extensionOf, isMarkdown, MAX_READ_BYTES, readText, walk } from "./walk.ts";

/** What is in the folder; the other tasks work on the lists that this one makes. */

export interface ExtensionCount {
  extension: string;
  files: number;
  bytes: number;
  lines: number;
}

export interface Inventory {
  files: number;
  folders: number;
  bytes: number;
  textFiles: number;
  binaryFiles: number;
  lines: number;
  byExtension: ExtensionCount[];
  largest: { path: string; bytes: number }[];
  empty: string[];
  /** Work for the other tasks. */
  markdown: string[];
  text: string[];
  skipped: {
    folders: string[];
    moreFolders: number;
    symbolicLinks: number;
    unreadable: number;
    tooLargeToRead: number;
    moreFiles: boolean;
    /** Text files that the list of work had no room for. */
    notListed: number;
  };
}

/** Bytes of all paths together, so that the result stays far below what a result may have. */
const LIST_MAX_BYTES = 120_000;
const SHOWN = 20;

export async function takeInventory(root: string, step: Step, maxFiles?: number): Promise<Inventory> {
  const found = await walk(root, maxFiles);
  const sizes = new Map(found.files.map(({ path, bytes }) => [path, bytes]));
  const byExtension = new Map<string, ExtensionCount>();
  const text: string[] = [];
  let lines = 0;
  let notListed = 0;
  let listBytes = 0;
  let textFiles = 0;
  await forEachFile([...sizes.keys()], step, async (path) => {
    const bytes = sizes.get(path) ?? 0;
    const extension = extensionOf(path);
    const count = byExtension.get(extension) ?? { extension, files: 0, bytes: 0, lines: 0 };
    byExtension.set(extension, count);
    count.files++;
    count.bytes += bytes;
    const content = await readText(root, path);
    if (content === undefined) return;
    textFiles++;
    const fileLines = countLines(content);
    count.lines += fileLines;
    lines += fileLines;
    listBytes += Buffer.byteLength(path) + 3;
    if (listBytes <= LIST_MAX_BYTES) text.push(path);
    else notListed++;
  });
  return {
    files: found.files.length,
    folders: found.folders,
    bytes: found.files.reduce((sum, file) => sum + file.bytes, 0),
    textFiles,
    binaryFiles: found.files.filter(({ bytes }) => bytes <= MAX_READ_BYTES).length - textFiles,
    lines,
    byExtension: [...byExtension.values()].sort((a, b) => b.files - a.files || (a.extension < b.extension ? -1 : 1)),
    largest: found.files.toSorted((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1)).slice(0, 10),
    empty: found.files
      .filter(({ bytes }) => bytes === 0)
      .map(({ path }) => path)
      .slice(0, SHOWN),
    markdown: text.filter(isMarkdown),
    text,
    skipped: {
      folders: found.skippedFolders.slice(0, SHOWN),
      moreFolders: Math.max(0, found.skippedFolders.length - SHOWN),
      symbolicLinks: found.symbolicLinks,
      unreadable: found.unreadable,
      tooLargeToRead: found.files.filter(({ bytes }) => bytes > MAX_READ_BYTES).length,
      moreFiles: found.truncated,
      notListed,
    },
  };
}
