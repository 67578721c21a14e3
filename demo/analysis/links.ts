import { stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { anchorsOf, findLinks } from "./markdown.ts";
import { forEachFile, type Step } from "./step.ts";
import { isMarkdown, readText } from "./walk.ts";

/** Relative links in Markdown whose file or heading is not there. */

export interface BrokenLink {
  file: string;
  line: number;
  target: string;
  why: string;
}

export interface LinkReport {
  files: number;
  /** Relative links and anchors that were looked up. */
  checked: number;
  /** Links with a scheme or host: counted, not followed. */
  external: number;
  /** Links to a place above the folder: not looked up. */
  outside: number;
  broken: BrokenLink[];
  moreBroken: number;
}

const SHOWN = 200;

export async function checkLinks(root: string, paths: readonly string[], step: Step): Promise<LinkReport> {
  const report: LinkReport = { files: paths.length, checked: 0, external: 0, outside: 0, broken: [], moreBroken: 0 };
  const anchors = new Map<string, Set<string>>();
  await forEachFile(paths, step, async (file) => {
    const text = (await readText(root, file)) ?? "";
    for (const { line, target } of findLinks(text)) {
      if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(target)) {
        report.external++;
        continue;
      }
      const resolved = resolve(file, target);
      if (resolved === undefined) {
        report.outside++;
        continue;
      }
      report.checked++;
      const why = await problemOf(root, resolved, anchors);
      if (why === undefined) continue;
      if (report.broken.length < SHOWN) report.broken.push({ file, line, target, why });
      else report.moreBroken++;
    }
  });
  return report;
}

interface Resolved {
  path: string;
  fragment: string | undefined;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The path in the folder, or undefined when it leads out of it. A leading slash means the folder itself. */
function resolve(file: string, target: string): Resolved | undefined {
  const hash = target.indexOf("#");
  const fragment = hash === -1 ? undefined : decode(target.slice(hash + 1)).toLowerCase();
  const bare = decode((hash === -1 ? target : target.slice(0, hash)).replace(/\?.*$/, ""));
  if (bare === "") return { path: file, fragment };
  const path = bare.startsWith("/") ? posix.normalize(bare.slice(1)) : posix.join(posix.dirname(file), bare);
  return path === ".." || path.startsWith("../") ? undefined : { path, fragment };
}

async function problemOf(
  root: string,
  { path, fragment }: Resolved,
  anchors: Map<string, Set<string>>,
): Promise<string | undefined> {
  try {
    await stat(join(root, path));
  } catch {
    return "no such file";
  }
  if (fragment === undefined || fragment === "" || fragment === "top" || !isMarkdown(path)) return undefined;
  const known = anchors.get(path) ?? anchorsOf((await readText(root, path)) ?? "");
  anchors.set(path, known);
  return known.has(fragment) ? undefined : "no such heading";
}
