import type { NewAuditEntry } from "../../model/audit.ts";
import type { MessageTypeDefinition } from "../../model/message.ts";
import type { Deciding, Decision } from "../decision.ts";
import { iso } from "../instants.ts";

/** What becomes of custom message types. */

/** The row of a message type, which is the same in both engines. */
export interface TypeRow {
  type: string;
  /** JSON text. */
  schema: string;
  updated_at: number;
}

/** The row to write in the place of the one that was read; undefined: there is none. */
export interface TypeChange {
  was: TypeRow | undefined;
  row: TypeRow | undefined;
}

/** The type as callers see it. */
export function readType(row: TypeRow): MessageTypeDefinition {
  const schema = JSON.parse(row.schema) as MessageTypeDefinition["schema"];
  return { type: row.type, schema, updatedAt: iso(row.updated_at) };
}

/** Creates or replaces. A replacement is always stamped later than what it replaces, so that caches see it. */
export function decidePut(
  type: string,
  schema: MessageTypeDefinition["schema"],
  was: TypeRow | undefined,
  { now }: Deciding,
): Decision<{ definition: MessageTypeDefinition; created: boolean }, TypeChange> {
  const row = { type, schema: JSON.stringify(schema), updated_at: Math.max(now, (was?.updated_at ?? 0) + 1) };
  const created = was === undefined;
  return {
    answer: { definition: readType(row), created },
    change: { was, row },
    entries: [entry("message_type.put", type, { created })],
  };
}

/** The answer: whether it was there. */
export function decideDelete(type: string, was: TypeRow | undefined): Decision<boolean, TypeChange> {
  if (was === undefined) return { answer: false };
  return { answer: true, change: { was, row: undefined }, entries: [entry("message_type.deleted", type)] };
}

type Action = Extract<NewAuditEntry["action"], `message_type.${string}`>;

function entry(action: Action, type: string, detail?: NewAuditEntry["detail"]): NewAuditEntry {
  return { action, subjectKind: "message_type", subjectId: type, detail };
}
