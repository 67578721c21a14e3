import type { NewAuditEntry } from "../../model/audit.ts";
import { newId } from "../../model/ids.ts";
import { actorOf } from "../../trace/call-context.ts";
import type { AuditRow } from "../audit-reading.ts";
import type { AuditEngine } from "../audit-verbs.ts";
import { bigint, id, int, operation, subject, text, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { encodeEntries } from "./decide.ts";
import { procedure } from "./procedures.ts";

/** The entries of the audit: how a batch adds them to its transaction, and how they are read. */

/** What an item says of its actor: nothing where that is the agent which it names anyway. */
export function actorBeside(agentId: string): { actor?: string } {
  const actor = actorOf(agentId);
  return actor === agentId ? {} : { actor };
}

const RECORD = procedure("record_audit");

/** Adds entries about what is not in the store itself. The repeat of a call whose answer was lost adds nothing. */
export async function recordAudit(connection: Connection, entries: readonly NewAuditEntry[]): Promise<void> {
  const operationId = newId(connection.clock.now());
  const inputs = { operation: operation(operationId), entries: text(encodeEntries(entries, actorOf())) };
  await connection.query(RECORD, inputs);
}

const LIST = procedure("list_audit");

/** What the verbs of the audit read and write of its entries. */
export function entryEngine(connection: Connection): Pick<AuditEngine, "list" | "record"> {
  return {
    async list(window, query) {
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
      return { entries: result.rows<AuditRow>(0), stopped: result.rows<{ entry_no: number }>(1)[0] };
    },
    record: (entries) => recordAudit(connection, entries),
  };
}
