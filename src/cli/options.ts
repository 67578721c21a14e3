import { InvalidArgumentError, Option } from "commander";
import type { JsonValue } from "../lib/model/json.ts";
import { duplicateNames } from "../lib/model/json-names.ts";
import { changedNumbers } from "../lib/model/json-numbers.ts";
import { readDecimal } from "../lib/model/written-number.ts";
import type { Terminal } from "./context.ts";
import { UsageError } from "./exit-codes.ts";

/** How texts of the command line become values. What is merely out of range is left to the service to refuse. */

/** For `--limit 20`. */
export function toNumber(text: string): number {
  const value = readDecimal(text);
  if (value === undefined) throw new InvalidArgumentError("It must be a number in decimal digits.");
  return value;
}

/** For `--capabilities python,fastapi`. */
export function toList(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/**
 * For counts that have bounds of their own on the command line.
 *
 * @param max the largest count; the smallest is 1
 */
export function toCount(max: number): (text: string) => number {
  return (text) => {
    const count = toNumber(text);
    if (!Number.isInteger(count) || count < 1 || count > max) {
      throw new InvalidArgumentError(`It must be a whole number from 1 to ${max}.`);
    }
    return count;
  };
}

/**
 * An option that takes one of a few words. Help lists them, shells complete them.
 *
 * @example
 * command.addOption(oneOf("--priority <priority>", PRIORITIES))
 */
export function oneOf(flags: string, choices: readonly string[], description?: string): Option {
  return new Option(flags, description).choices(choices);
}

/**
 * JSON given as text, as `@file`, or as `-` for standard input.
 *
 * @throws UsageError when it cannot be read, is not JSON, or has a number that JSON readers would change
 */
export async function readJson(terminal: Terminal, text: string, what: string): Promise<JsonValue> {
  const source = await readSource(terminal, text, what);
  let value: JsonValue;
  try {
    value = JSON.parse(source);
  } catch {
    throw new UsageError(`${what}: is not valid JSON; a string needs quotes: '"hello"'.`);
  }
  // What reads changed here would be sent changed: only the text shows it.
  const [changed] = [...duplicateNames(source), ...changedNumbers(source)];
  if (changed !== undefined) {
    throw new UsageError(`${what}: ${changed.path === "" ? "it" : changed.path} ${changed.message}.`);
  }
  return value;
}

/** A text given as it is, as `@file`, or as `-` for standard input. @throws UsageError when it cannot be read or is not UTF-8 */
export async function readSource(terminal: Terminal, text: string, what: string): Promise<string> {
  if (text === "-") return decodeText(await terminal.readInput(), `${what}: standard input`);
  return text.startsWith("@") ? readText(terminal, text.slice(1), what) : text;
}

/**
 * The text of a file.
 *
 * @param what the option or variable that named it, for the error
 * @throws UsageError when it cannot be read or is not UTF-8
 */
export async function readText(terminal: Terminal, path: string, what: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await terminal.readFile(path);
  } catch (error) {
    throw new UsageError(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return decodeText(bytes, `${what}: ${path}`);
}

/** Bytes that are not UTF-8 would be stored as replacement characters in silence; a byte order mark would break the JSON. */
function decodeText(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`${what} is not UTF-8 text; save it as UTF-8.`);
  }
}

/** The options without those that were not given, so that a body has no undefined fields. */
export function given<Options extends object>(
  options: Options,
): { [Name in keyof Options]?: Exclude<Options[Name], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Options]?: Exclude<Options[Name], undefined>;
  };
}
