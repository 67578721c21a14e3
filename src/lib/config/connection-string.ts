/**
 * Splits a connection string into keywords and values, in the two forms that users have at hand:
 *
 * - ADO.NET (`Server=tcp:…;Initial Catalog=…;User ID=…`): a value in "double" or 'single' quotes, with the quote doubled
 *   inside, may hold anything; braces mean nothing.
 *   https://learn.microsoft.com/dotnet/framework/data/adonet/connection-strings
 * - ODBC (`Driver={ODBC Driver 18 for SQL Server};Server=tcp:…;Uid=…`): a value in braces, with `}` doubled inside, may
 *   hold anything; quotes mean nothing. It begins with Driver.
 *   https://learn.microsoft.com/openspecs/sql_server_protocols/ms-odbcstr
 *
 * By hand, since @tediousjs/connection-string knows one mixture of both: it takes the braces off an ADO.NET password and
 * the quotes off an ODBC one, reads `Password=;Encrypt=yes` as the password `;Encrypt=yes`, and lets a segment without `=`
 * pass in silence.
 */

/** One `keyword=value`, in the order of the text. */
export interface Segment {
  /** As written, without space around it. */
  keyword: string;
  value: string;
}

/** What is wrong with the text; never with a word of it, for any may be a piece of a password. */
export class ConnectionStringError extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = "ConnectionStringError";
  }
}

export type Form = "ADO.NET" | "ODBC";

export function formOf(text: string): Form {
  return /^\s*driver\s*=/i.test(text) ? "ODBC" : "ADO.NET";
}

type Quotes = Readonly<Record<string, string>>;

/** What closes a quoted value, by what opens it. */
const CLOSING: Record<Form, Quotes> = {
  "ADO.NET": { '"': '"', "'": "'" },
  ODBC: { "{": "}" },
};

const HOW_TO_QUOTE: Record<Form, string> = {
  "ADO.NET": `a value with a semicolon, or with a quote at its start, goes in quotes: Password="a;b"`,
  ODBC: "a value with a semicolon, or with a brace at its start, goes in braces: Pwd={a;b}",
};

/**
 * @throws ConnectionStringError
 * @example
 * segmentsOf("Server=tcp:db.example.net,1433;Password='a;b'"); // [{ keyword: "Server", … }, { keyword: "Password", value: "a;b" }]
 */
export function segmentsOf(text: string): Segment[] {
  const form = formOf(text);
  const segments: Segment[] = [];
  let at = afterBlanks(text, 0, /[;\s]/);
  while (at < text.length) {
    const equals = text.indexOf("=", at);
    const keyword = equals < 0 ? "" : text.slice(at, equals).trim();
    if (keyword === "" || keyword.includes(";")) {
      throw new ConnectionStringError(
        `part ${segments.length + 1} is not of the form keyword=value (${HOW_TO_QUOTE[form]})`,
      );
    }
    const read = readValue(text, equals + 1, CLOSING[form]);
    if (read === undefined) {
      throw new ConnectionStringError(
        `the value of part ${segments.length + 1} does not end where its quotes do (${HOW_TO_QUOTE[form]})`,
      );
    }
    segments.push({ keyword, value: read.value });
    at = afterBlanks(text, read.end, /[;\s]/);
  }
  return segments;
}

function afterBlanks(text: string, start: number, blank: RegExp): number {
  let at = start;
  while (at < text.length && blank.test(text.charAt(at))) at += 1;
  return at;
}

/** The value from `start` on and where it ends; undefined when its closing quote is missing or not the end. */
function readValue(text: string, start: number, closings: Quotes): { value: string; end: number } | undefined {
  let at = afterBlanks(text, start, /\s/);
  const closing = closings[text.charAt(at)];
  if (closing === undefined) {
    const semicolon = text.indexOf(";", at);
    const end = semicolon < 0 ? text.length : semicolon;
    return { value: text.slice(at, end).trim(), end };
  }
  let value = "";
  for (;;) {
    const quote = text.indexOf(closing, at + 1);
    if (quote < 0) return undefined;
    value += text.slice(at + 1, quote);
    at = quote + 1;
    // A doubled quote stands for one; what follows it is searched from the second on.
    if (text.charAt(at) !== closing) break;
    value += closing;
  }
  const end = afterBlanks(text, at, /\s/);
  return end === text.length || text.charAt(end) === ";" ? { value, end } : undefined;
}
