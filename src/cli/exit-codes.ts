import { CommanderError } from "commander";
import { isUnreachable } from "../client/transport.ts";
import { isAgentCommunicationError } from "../lib/errors.ts";

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

/** What to tell a person: the code, the detail, and every field that was wrong. */
export function describeError(error: unknown): string {
  if (!isAgentCommunicationError(error)) return `error: ${error instanceof Error ? error.message : String(error)}`;
  const fields = (error.errors ?? []).map(({ path, message }) => `  ${path === "" ? "(body)" : path}: ${message}`);
  if (isUnreachable(error)) return `error: ${error.message}\nIs the service running (npm start)? Is --url right?`;
  return [`error: ${error.code}: ${error.message}`, ...fields].join("\n");
}
