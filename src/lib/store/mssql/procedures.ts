/**
 * What the store calls: procedures of its release, one for each verb, in procedures/<verb>.sql. Their names are registered
 * when the modules are loaded, so that a test can compare callers and files.
 */

/** A procedure of the release that the process belongs to; made by `procedure` only. */
export interface Procedure {
  /** Without its schema, which is the slot that the release stands in. */
  readonly procedure: string;
}

const CALLED = new Set<string>();

/**
 * Names a procedure. For module level only.
 *
 * @param name that of the file, with underscores
 * @example
 * const COMPLETE = procedure("complete_tasks");
 */
export function procedure(name: string): Procedure {
  CALLED.add(name);
  return { procedure: name };
}

/** The procedures that the modules loaded so far call. */
export function calledProcedures(): ReadonlySet<string> {
  return CALLED;
}
