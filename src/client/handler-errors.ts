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

/** Room for the worst case of three bytes per UTF-16 unit within the 4 KiB of an error or a reason. */
const ERROR_MAX_CHARACTERS = 1_300;

/** What a thrown value says, as a text that the server accepts as error or reason. */
export function errorText(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  return text.slice(0, ERROR_MAX_CHARACTERS).replaceAll("\u0000", "").toWellFormed();
}
