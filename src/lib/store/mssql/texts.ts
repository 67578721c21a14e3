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
  if (sql.includes(BEGIN)) throw new Error(`the T-SQL text ${name} has a part that is not always there`);
  const text = sql as SqlText;
  TEXTS.set(name, text);
  return text;
}

/** Around what only one form of a text has. */
const [BEGIN, END] = ["/*audited*/", "/*always*/"] as const;

/** A part of a text that is there only in its audited form; for `auditedTexts`. */
export function whenAudited(part: string): string {
  return `${BEGIN}${part}${END}`;
}

/** A text, and the same with entries for what it does to messages. */
export interface AuditedTexts {
  plain: SqlText;
  audited: SqlText;
}

/**
 * Registers a text in both forms: where messages are not audited, nothing of it is sent.
 *
 * @param sql with parts made by `whenAudited`
 */
export function auditedTexts(name: string, sql: string): AuditedTexts {
  const [first = "", ...others] = sql.split(BEGIN);
  const rests = others.map((other) => other.slice(other.indexOf(END) + END.length));
  return {
    plain: sqlText(name, [first, ...rests].join("")),
    audited: sqlText(`${name} audited`, sql.replaceAll(BEGIN, "").replaceAll(END, "")),
  };
}

/** Every text of the modules that are loaded, by name. */
export function registeredTexts(): ReadonlyMap<string, string> {
  return TEXTS;
}
