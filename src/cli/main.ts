#!/usr/bin/env node
import { readFile, writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { runCommandLine } from "./program.ts";

// A reader that has seen enough (`… | head`) closes the pipe; that is no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCommandLine(process.argv.slice(2), {
  write: (output) => void process.stdout.write(output),
  writeError: (output) => void process.stderr.write(output),
  readInput: () => text(process.stdin),
  readFile: (path) => readFile(path, "utf8"),
  writeFile: (path, output) => writeFile(path, output),
  environment: process.env,
});
