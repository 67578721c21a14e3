import { InvalidArgumentError } from "commander";
import type { JsonValue } from "../lib/json.ts";
import type { Terminal } from "./context.ts";
import { UsageError } from "./exit-codes.ts";

/** How texts of the command line become values. What is merely out of range is left to the service to refuse. */

/** For `--limit 20`. */
export function toNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("It must be a number.");
  return value;
}

/** For `--capabilities python,fastapi`. */
export function toList(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/** For options that may be one of a few words. */
export function toOneOf<Choice extends string>(choices: readonly Choice[]): (text: string) => Choice {
  return (text) => {
    const choice = choices.find((candidate) => candidate === text);
    if (choice === undefined) throw new InvalidArgumentError(`It must be one of: ${choices.join(", ")}.`);
    return choice;
  };
}

/**
 * JSON given as text, as `@file`, or as `-` for standard input.
 *
 * @throws UsageError when it cannot be read or is not JSON
 */
export async function readJson(terminal: Terminal, text: string, what: string): Promise<JsonValue> {
  const source = await readSource(terminal, text, what);
  try {
    return JSON.parse(source);
  } catch {
    throw new UsageError(`${what}: this is not JSON; a text needs its quotes: '"hello"'.`);
  }
}

async function readSource(terminal: Terminal, text: string, what: string): Promise<string> {
  if (text === "-") return terminal.readInput();
  if (!text.startsWith("@")) return text;
  try {
    return await terminal.readFile(text.slice(1));
  } catch (error) {
    throw new UsageError(`${what}: ${error instanceof Error ? error.message : String(error)}`);
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
