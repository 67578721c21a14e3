import { type AgentCommunicationError, isAgentCommunicationError } from "../lib/model/errors.ts";

/** How a handler says what went wrong, and how it learns why it was stopped. */

/**
 * Thrown by a handler when trying again cannot help: the task fails for good, the message is dead-lettered. Any other
 * error is worth a retry.
 *
 * @example
 * throw new PermanentError("the repository does not exist");
 */
export class PermanentError extends Error {
  override readonly name = "PermanentError";
}

/** True for a PermanentError. Never throws, although a thrown value may be a revoked proxy, which throws on every access. */
export function isPermanent(thrown: unknown): boolean {
  try {
    return thrown instanceof PermanentError;
  } catch {
    return false;
  }
}

/** As isAgentCommunicationError, for what user code threw: it never throws. */
export function isOurs(thrown: unknown): thrown is AgentCommunicationError {
  try {
    return isAgentCommunicationError(thrown);
  } catch {
    return false;
  }
}

/**
 * cancelled: somebody asked to cancel, and a result still counts · lost: the attempt was given to another worker, and
 * nothing that is done now counts · stopping: the worker stops and its grace is over.
 */
export type AbortCause = "cancelled" | "lost" | "stopping";

/** The reason of the AbortSignal that a handler gets. */
export class HandlerAborted extends Error {
  override readonly name = "HandlerAborted";
  readonly why: AbortCause;

  constructor(why: AbortCause) {
    super(`the attempt was aborted: ${why}`);
    this.why = why;
  }
}

/** Room for the worst case of three bytes per UTF-16 unit within the 4 KiB of an error, a reason or a note. */
const TEXT_MAX_CHARACTERS = 1_300;
const WITHOUT_TEXT = "a value without a message was thrown";

/** The text as the server accepts it: well-formed Unicode without NUL, at most 3,900 bytes. */
export function shortText(text: string): string {
  return text.slice(0, TEXT_MAX_CHARACTERS).replaceAll("\u0000", "").toWellFormed();
}

/** What a thrown value says: its message, or else its name, or else the value as a text. May throw what its getters throw. */
function wordsOf(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null) return String(thrown);
  if ("message" in thrown && typeof thrown.message === "string" && thrown.message !== "") return thrown.message;
  if (!(thrown instanceof Error)) return String(thrown);
  const message: unknown = thrown.message;
  return message === "" || message === undefined || message === null ? String(thrown.name) : String(message);
}

/**
 * What a thrown value says, as a text that the server accepts as error or reason: never empty, at most 3,900 bytes.
 * Never throws, even for a message that is not a string, a getter or `toString` that throws, an object
 * without prototype, a revoked proxy.
 */
export function errorText(thrown: unknown): string {
  let text = "";
  try {
    text = shortText(wordsOf(thrown));
  } catch {
    // Not even its name can be read.
  }
  return text.trim() === "" ? WITHOUT_TEXT : text;
}
