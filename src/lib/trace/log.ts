import { printableJson } from "../model/printable.ts";
import { currentTraceId } from "./current-trace.ts";

/** One JSON line per event: names, codes and ids, never contents of messages or tasks. */

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  info(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/**
 * A log that gives each line to `write`, which may have a place of its own for errors; `traceId` in it names the trace that it
 * belongs to.
 */
export function lineLog(write: (line: string, level: keyof Log) => void): Log {
  const entry =
    (level: keyof Log) =>
    (event: string, fields: LogFields = {}) =>
      write(printableJson({ level, event, ...fields, traceId: currentTraceId() }), level);
  return { info: entry("info"), error: entry("error") };
}

/** The number by which a database server calls an error, also of one that a driver has wrapped. */
function numberOf(error: object): number | undefined {
  if ("number" in error && typeof error.number === "number") return error.number;
  const inner = "originalError" in error ? error.originalError : undefined;
  return typeof inner === "object" && inner !== null ? numberOf(inner) : undefined;
}

/** Characters of a name or code of an error that are logged: libraries have short ones, and what is longer quotes something. */
const WORD_CHARACTERS = 100;
/** Characters of one line of a stack. */
const FRAME_CHARACTERS = 300;

/** A name or code of an error; what is no text and no number is left out. */
function wordOf(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" ? String(value).slice(0, WORD_CHARACTERS) : undefined;
}

/** Where it happened, without the message, which stands before that and may have lines that look like it. */
function framesOf({ stack, message }: Error): string {
  if (typeof stack !== "string") return "";
  const start = typeof message === "string" && message !== "" ? stack.indexOf(message) : -1;
  const frames = start < 0 ? stack : stack.slice(start + message.length);
  const lines = frames.split("\n").filter((line) => /^\s+at /.test(line));
  return lines
    .slice(0, 8)
    .map((line) => line.slice(0, FRAME_CHARACTERS))
    .join(" |")
    .trim();
}

/**
 * What may be logged of an unexpected error: its name, code, number and where it happened. Not its message, since messages
 * of parsers and drivers can quote what they choked on. Bounded.
 */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error };
  const code = "code" in error ? wordOf(error.code) : undefined;
  return { error: wordOf(error.name), code, number: numberOf(error), at: framesOf(error) };
}
