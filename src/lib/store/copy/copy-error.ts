/** Why a database is not copied, in one line. It leaves the command line only, so it has no code of errors.ts. */
export class CopyError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "CopyError";
  }
}
