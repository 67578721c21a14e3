import { existsSync, readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { SOURCE_MAPS } from "./contents.ts";

/**
 * npm run explain-stack [-- --out out] < stack.txt: where the places of the deployed package come from. A package and its source maps
 * belong together: take those of the build that was deployed.
 */

const { values } = parseArgs({ options: { out: { type: "string", default: "out" } } });

/** The file's name ends what may be a whole URL; line and column count from 1. */
const PLACE = /[^\s()]*?([\w-]+\.js):(\d+):(\d+)/g;

function placeInSource(place: string, file: string, line: number, column: number): string {
  const path = join(values.out, SOURCE_MAPS, `${file}.map`);
  if (!existsSync(path)) return place;
  const entry = new SourceMap(JSON.parse(readFileSync(path, "utf8"))).findEntry(line - 1, column - 1);
  if (!("originalSource" in entry)) return place;
  return `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
}

const stack = await text(process.stdin);
process.stdout.write(
  stack.replaceAll(PLACE, (place, file: string, line: string, column: string) =>
    placeInSource(place, file, Number(line), Number(column)),
  ),
);
