#!/usr/bin/env node
import { readFile, writeFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { runCommandLine } from "./program.ts";

// A reader that has seen enough (`… | head`) closes the pipe; that is no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
// What cannot be said does not change what was done: the exit code still tells it.
process.stderr.on("error", () => undefined);

/** A pipe has no width, unless the caller names one. */
function columnsOf(terminal: number | undefined, variable = ""): number | undefined {
  return terminal ?? (/^[1-9]\d{0,4}$/.test(variable) ? Number(variable) : undefined);
}

process.exitCode = await runCommandLine(process.argv.slice(2), {
  write: (output) => void process.stdout.write(output),
  writeError: (output) => void process.stderr.write(output),
  readInput: () => buffer(process.stdin),
  readFile: (path) => readFile(path),
  writeFile: (path, output) => writeFile(path, output),
  environment: process.env,
  columns: columnsOf(process.stdout.columns, process.env.COLUMNS),
});
