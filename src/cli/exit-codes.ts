import { CommanderError } from "commander";
import { isUnreachable } from "../client/transport.ts";
import { type FieldError, isAgentCommunicationError } from "../lib/model/errors.ts";
import { printable, printableLines } from "../lib/model/printable.ts";

/** What the process answers its caller with; part of the command line's contract, listed in its help. */
export const EXIT = {
  /** It was done. */
  OK: 0,
  /** The service refused, failed, or said that it is unhealthy. */
  REFUSED: 1,
  /** The command line itself was wrong. */
  USAGE: 2,
  /** No service answered at that address. */
  UNREACHABLE: 3,
} as const;

/** A wrong command line, found after commander had parsed it: a payload that is not JSON, a file that cannot be read. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The exit code that an error stands for. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
  if (error instanceof UsageError) return EXIT.USAGE;
  return isUnreachable(error) ? EXIT.UNREACHABLE : EXIT.REFUSED;
}

/** An error as `--json` prints it on the error output: the problem document of the service, or a code of the command line. */
export interface ErrorDocument {
  /** A code of docs/errors.md; USAGE: the command line was wrong; UNREACHABLE: no service answered; FAILED: anything else. */
  code: string;
  detail: string;
  /** HTTP status, where a service answered. */
  status?: number;
  errors?: readonly FieldError[];
  retryAfterSeconds?: number;
}

/** What `--json` prints of an error. */
export function errorDocument(error: unknown): ErrorDocument {
  if (isUnreachable(error)) return { code: "UNREACHABLE", detail: textOf(error) };
  if (isAgentCommunicationError(error)) {
    const { code, message, status, errors, retryAfterSeconds } = error;
    return {
      code,
      detail: message,
      status,
      ...(errors === undefined ? {} : { errors }),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    };
  }
  if (error instanceof CommanderError) {
    const help = error.code === "commander.help";
    const detail = help ? "A command is missing; --help lists the commands." : error.message.replace(/^error: /, "");
    return { code: "USAGE", detail };
  }
  return { code: error instanceof UsageError ? "USAGE" : "FAILED", detail: textOf(error) };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What to tell a person: the code, the detail, and every field that was wrong. */
export function describeError(error: unknown): string {
  if (!isAgentCommunicationError(error)) return `error: ${printableLines(textOf(error))}`;
  const fields = (error.errors ?? []).map(
    ({ path, message }) => `  ${path === "" ? "(body)" : printable(path)}: ${printable(message)}`,
  );
  const said = printable(error.message);
  if (isUnreachable(error)) return `error: ${said}\nIs the service running (npm start)? Is --url right?`;
  const { retryAfterSeconds } = error;
  const later = retryAfterSeconds === undefined ? [] : [`Try again in ${Math.ceil(retryAfterSeconds)} s.`];
  return [`error: ${printable(error.code)}: ${said}`, ...fields, ...later].join("\n");
}
