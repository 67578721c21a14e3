/**
 * T-SQL texts that are sent as they are: those of migrations and copies, which run as the migrator, and the few that need no
 * table. (Verbs are procedures; see procedures.ts.) Each is registered when its module is loaded, so that a test can parse all
 * of them, and check tables, columns, locks and keys, without a server.
 */

declare const registered: unique symbol;

/** A T-SQL text that the checks know of; made by `sqlText` only. */
export type SqlText = string & { readonly [registered]: true };

const TEXTS = new Map<string, SqlText>();

/**
 * Registers the text of a batch or query. For module level only.
 *
 * @param name of the text for people: that of the batch, or of the constant
 */
export function sqlText(name: string, sql: string): SqlText {
  if (TEXTS.has(name)) throw new Error(`two T-SQL texts are called ${name}`);
  const text = sql as SqlText;
  TEXTS.set(name, text);
  return text;
}

/** Every text of the modules that are loaded, by name. */
export function registeredTexts(): ReadonlyMap<string, string> {
  return TEXTS;
}

/** The batches of a file, which a line GO ends, as sqlcmd has it. */
export function batchesOf(sql: string): string[] {
  return sql
    .split(/^[ \t]*GO[ \t]*$/im)
    .map((batch) => batch.trim())
    .filter((batch) => batch !== "");
}

/** Lines of a script for sqlcmd, which goes on after an error: the batch runs only if the transaction of before is still open. */
export function insideTransaction(batch: string): string[] {
  return [`IF @@TRANCOUNT > 0 EXEC (N'${batch.replaceAll("'", "''")}');`, "GO"];
}
