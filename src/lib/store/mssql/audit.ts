import { newId } from "../../ids.ts";
import type { AuditEntry, ListAuditQuery, NewAuditEntry } from "../../security/audit.ts";
import { actorOf } from "../../security/call-context.ts";
import { AUDIT_COLUMNS, type AuditRow, auditPage, auditWindow } from "../audit-reading.ts";
import type { Paged } from "../store.ts";
import { type Batch, bigint, id, int, subject, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemJson, plainJson } from "./item-text.ts";
import { sqlText, whenAudited } from "./texts.ts";
import { BIN2, PROLOGUE } from "./transaction.ts";

/** The entries of the audit: how a batch adds them to its transaction, and how they are read. */

/** A value of an entry's detail, as a T-SQL expression. `optional`: left out where it is NULL; others never are. */
export type DetailValue = ({ number: string } | { word: string } | { flag: string }) & { optional?: true };

function detailText(name: string, value: DetailValue, separator: string): string {
  const key = `${separator}"${name}":`;
  if ("flag" in value) return `'${key}' + CASE WHEN ${value.flag} = 1 THEN 'true' ELSE 'false' END`;
  if ("number" in value) return `'${key}' + CAST(${value.number} AS varchar(20))`;
  return `'${key}"' + ${value.word} + '"'`;
}

/**
 * T-SQL of a detail. Words are put in as they are, so they must be ids or names that need no escape in JSON; the first value
 * must not be optional, or the commas would be wrong.
 *
 * @example
 * detailOf({ attempt: { number: "c.attempt" }, agentId: { word: "a.agent_id", optional: true } })
 */
export function detailOf(values: { readonly [name: string]: DetailValue }): string {
  const parts = Object.entries(values).map(([name, value], place) => detailText(name, value, place === 0 ? "{" : ","));
  if (Object.values(values)[0]?.optional) throw new Error("the first value of a detail may not be optional");
  return parts.length === 0 ? "'{}'" : `CONCAT(${parts.join(", ")}, '}')`;
}

/** What is recorded, as T-SQL expressions over `from`. */
export interface RecordedRows {
  /** NULL, or left out: the switchboard itself, for what merely follows from a call. Otherwise what `actorOf` gave the item. */
  actor?: string;
  action: string;
  subjectKind: string;
  subjectId: string;
  detail?: string;
  /** `FROM …`, and where one is needed the order of the entries; left out: one entry. */
  from?: string;
}

/**
 * Records what the batch does: for each row of `from` an entry, inside the transaction, anywhere in it. (The rows are new, and
 * nobody waits for them, so they have no place in the lock order.)
 *
 * @example
 * recordRows({ actor: "@actor", action: "'message_type.deleted'", subjectKind: "'message_type'", subjectId: "@type" })
 */
export function recordRows({ actor, action, subjectKind, subjectId, detail = "'{}'", from }: RecordedRows): string {
  const by = actor === undefined ? "'system'" : `COALESCE(${actor}, 'system')`;
  return `INSERT INTO audit.entries (at, actor, action, subject_kind, subject_id, detail)
SELECT @now, ${by}, ${action}, ${subjectKind}, ${subjectId}, ${detail}${from === undefined ? "" : `\n${from}`};
`;
}

/** T-SQL of who answers for the item of that place: `actor`, where its encode has one, or else the agent that it names. */
function actorOfItem(item: string, agentId: string): string {
  return `COALESCE((SELECT CAST(JSON_VALUE(i.value, '$.actor') AS varchar(128)) FROM OPENJSON(@items) AS i
    WHERE CAST(i.[key] AS int) = ${item}) ${BIN2}, ${agentId})`;
}

/** What an item says of its actor: nothing where that is the agent which it names anyway. */
export function actorBeside(agentId: string): { actor?: string } {
  const actor = actorOf(agentId);
  return actor === agentId ? {} : { actor };
}

/**
 * Records what is done to messages, where that is audited.
 *
 * @param rows `item` is the place of the call, and `agentId` the agent that it names
 */
export function recordMessages(
  rows: Pick<RecordedRows, "from"> & {
    action: "message.sent" | "message.received" | "message.settled" | "message.withdrawn";
    item: string;
    agentId: string;
    messageId: string;
    detail: { readonly [name: string]: DetailValue };
  },
): string {
  const { action, item, agentId, messageId, detail, from } = rows;
  const recorded = {
    actor: actorOfItem(item, agentId),
    action: `'${action}'`,
    subjectKind: "'message'",
    subjectId: messageId,
    detail: detailOf(detail),
  };
  return whenAudited(recordRows(from === undefined ? recorded : { ...recorded, from }));
}

const RECORD_SQL = sqlText(
  "record-audit",
  `${PROLOGUE}DECLARE @operation uniqueidentifier;
SELECT @operation = x.operation FROM OPENJSON(@items) WITH (operation uniqueidentifier) AS x;
IF NOT EXISTS (SELECT 1 FROM dbo.operation_answers AS o WHERE o.operation_id = @operation)
BEGIN
  BEGIN TRANSACTION;
  ${recordRows({
    actor: "x.actor",
    action: "x.action",
    subjectKind: "x.subject_kind",
    subjectId: "x.subject_id",
    detail: plainJson("x.detail"),
    from: `FROM OPENJSON(@items, '$[0].entries') WITH (n int, actor varchar(128), action varchar(64), subject_kind varchar(24),
  subject_id varchar(160), detail nvarchar(2000)) AS x
ORDER BY x.n`,
  })}  INSERT INTO dbo.operation_answers (operation_id, answer, answered_at) VALUES (@operation, N'{}', @now);
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, 1 AS done;
`,
);

interface Recording {
  /** The repeat of a call whose answer was lost adds nothing. */
  operationId: string;
  entries: readonly NewAuditEntry[];
}

const RECORD: Batch<Recording, void> = {
  name: "record-audit",
  sql: RECORD_SQL,
  encode: ({ operationId, entries }) => ({
    operation: operationId,
    entries: entries.map(({ actor = actorOf(), action, subjectKind, subjectId, detail = {} }, n) => ({
      n,
      actor,
      action,
      subject_kind: subjectKind,
      subject_id: subjectId,
      detail: itemJson({ ...detail }),
    })),
  }),
  decode: (_, calls) => calls.map(() => ({ value: undefined })),
  maxItems: 1,
  wakes: false,
};

/** Adds entries about what is not in the store itself. */
export function recordAudit(connection: Connection, entries: readonly NewAuditEntry[]): Promise<void> {
  return connection.run(RECORD, { operationId: newId(connection.clock.now()), entries });
}

/**
 * The lowest number whose entry is of that time or later, as far as numbers follow time; by halving. (Lowest and highest each by
 * a seek of its own: together they would be a scan.)
 */
function numberSince(variable: string, time: string): string {
  return `IF ${time} IS NOT NULL
BEGIN
  SET @low = COALESCE((SELECT MIN(e.entry_no) FROM audit.entries AS e), 0);
  SET @high = COALESCE((SELECT MAX(e.entry_no) FROM audit.entries AS e), -1) + 1;
  WHILE @low < @high
  BEGIN
    SET @middle = @low + (@high - @low) / 2;
    SET @found = (SELECT TOP (1) e.at FROM audit.entries AS e WHERE e.entry_no >= @middle ORDER BY e.entry_no);
    IF @found < ${time} SET @low = @middle + 1;
    ELSE SET @high = @middle;
  END;
  SET ${variable} = @low;
END;
`;
}

const LIST = sqlText(
  "list-audit",
  `DECLARE @looked TABLE (entry_no bigint NOT NULL PRIMARY KEY);
DECLARE @low bigint, @high bigint, @middle bigint, @found bigint, @lowest bigint = ${Number.MIN_SAFE_INTEGER}, @behind bigint = @before;
${numberSince("@lowest", "@numbersFrom")}${numberSince("@behind", "@numbersTo")}IF @behind > @before SET @behind = @before;
INSERT INTO @looked (entry_no)
SELECT TOP (@scan) e.entry_no FROM audit.entries AS e
WHERE e.entry_no >= @lowest AND e.entry_no < @behind
ORDER BY e.entry_no DESC;
SELECT TOP (@limit) ${AUDIT_COLUMNS}
FROM @looked AS l JOIN audit.entries AS e ON e.entry_no = l.entry_no
WHERE (@from IS NULL OR e.at >= @from) AND (@to IS NULL OR e.at < @to)
  AND (@actor IS NULL OR e.actor = @actor) AND (@action IS NULL OR e.action = @action)
  AND (@subjectKind IS NULL OR e.subject_kind = @subjectKind) AND (@subjectId IS NULL OR e.subject_id = @subjectId)
ORDER BY e.entry_no DESC;
SELECT l.entry_no FROM @looked AS l ORDER BY l.entry_no DESC OFFSET (@scan - 1) ROWS FETCH NEXT 1 ROWS ONLY;
`,
);

/** Newest first. A page may be short, or empty, and not the last: see AUDIT_SCAN_MAX. */
export async function listAudit(connection: Connection, query: ListAuditQuery): Promise<Paged<AuditEntry>> {
  const window = auditWindow(query);
  const result = await connection.query(LIST, {
    before: bigint(window.before),
    numbersFrom: bigint(window.numbersFrom),
    numbersTo: bigint(window.numbersTo),
    from: bigint(window.from),
    to: bigint(window.to),
    actor: id(query.actor ?? null),
    action: word(query.action ?? null),
    subjectKind: word(query.subjectKind ?? null),
    subjectId: subject(query.subjectId ?? null),
    scan: int(window.scan),
    limit: int(query.limit + 1),
  });
  const [stopped] = result.rows<{ entry_no: number }>(1);
  return auditPage(window, query.limit, result.rows<AuditRow>(0), stopped?.entry_no);
}
