/**
 * Every T-SQL text that the store sends is made here, when its module is loaded: so a test can parse all of them, and check
 * tables, columns, locks and keys, without a server. The type keeps texts that were put together elsewhere from being sent.
 */

declare const registered: unique symbol;

/** A T-SQL text that the checks know of; made by `sqlText` only. */
export type SqlText = string & { readonly [registered]: true };

const TEXTS = new Map<string, SqlText>();

/**
 * Registers the text of a batch or query. For module level only: a text that depends on a call has a small closed set of
 * forms, each registered under a name of its own.
 *
 * @param name of the text for people: that of the batch, or of the constant
 * @example
 * const SQL = sqlText("renew-lease", `${PROLOGUE} …`);
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
