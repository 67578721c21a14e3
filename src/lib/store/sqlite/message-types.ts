import type { MessageTypeDefinition } from "../../model/message.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { readType, type TypeRow } from "../message-type-reading.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged } from "../store.ts";
import { audit } from "./audit.ts";
import type { Transaction } from "./transaction.ts";

const BY_TYPE = "SELECT type, schema, updated_at FROM message_types WHERE type = ?";

/** Creates or replaces. A replacement is always stamped later than what it replaces, so that caches see it. */
export function putMessageType(
  transaction: Transaction,
  type: string,
  schema: MessageTypeDefinition["schema"],
): { definition: MessageTypeDefinition; created: boolean } {
  const known = transaction.get<TypeRow>(BY_TYPE, type);
  const updatedAt = Math.max(transaction.now, (known?.updated_at ?? 0) + 1);
  const text = JSON.stringify(schema);
  transaction.run(
    `INSERT INTO message_types VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET schema = excluded.schema, updated_at = excluded.updated_at`,
    type,
    text,
    updatedAt,
  );
  const created = known === undefined;
  audit(transaction, {
    action: "message_type.put",
    subjectKind: "message_type",
    subjectId: type,
    detail: { created },
  });
  return { definition: readType({ type, schema: text, updated_at: updatedAt }), created };
}

export function findMessageType(transaction: Transaction, type: string): MessageTypeDefinition | undefined {
  const row = transaction.get<TypeRow>(BY_TYPE, type);
  return row === undefined ? undefined : readType(row);
}

/** By type name. */
export function listMessageTypes(transaction: Transaction, page: Page): Paged<MessageTypeDefinition> {
  const filters = { list: "message-types" };
  const after = String(decodeCursor(filters, page.cursor, "text")?.[0] ?? "");
  const sql = "SELECT type, schema, updated_at FROM message_types WHERE type > ? ORDER BY type LIMIT ?";
  const rows = transaction.each<TypeRow>(sql, after, page.limit + 1);
  return takePage(rows, page.limit, readType, (last) => encodeCursor(filters, [last.type]));
}

/** @returns whether it was registered */
export function deleteMessageType(transaction: Transaction, type: string): boolean {
  const deleted = transaction.run("DELETE FROM message_types WHERE type = ?", type).changes > 0;
  if (deleted) audit(transaction, { action: "message_type.deleted", subjectKind: "message_type", subjectId: type });
  return deleted;
}
