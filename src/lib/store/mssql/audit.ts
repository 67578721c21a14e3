import type { AuditEntry, ListAuditQuery, NewAuditEntry } from "../../model/audit.ts";
import { newId } from "../../model/ids.ts";
import { actorOf } from "../../trace/call-context.ts";
import { type AuditRow, auditPage, auditWindow } from "../audit-reading.ts";
import type { Paged } from "../store.ts";
import { type Batch, bigint, id, int, subject, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemJson } from "./item-text.ts";
import { procedure } from "./procedures.ts";

/** The entries of the audit: how a batch adds them to its transaction, and how they are read. */

/** What an item says of its actor: nothing where that is the agent which it names anyway. */
export function actorBeside(agentId: string): { actor?: string } {
  const actor = actorOf(agentId);
  return actor === agentId ? {} : { actor };
}

const RECORD_SQL = procedure("record_audit");

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
};

/** Adds entries about what is not in the store itself. */
export function recordAudit(connection: Connection, entries: readonly NewAuditEntry[]): Promise<void> {
  return connection.run(RECORD, { operationId: newId(connection.clock.now()), entries });
}

const LIST = procedure("list_audit");

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
