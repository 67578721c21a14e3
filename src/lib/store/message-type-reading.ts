import type { MessageTypeDefinition } from "../model/message.ts";
import { iso } from "./instants.ts";

/** The row of a message type, which is the same in both engines. */
export interface TypeRow {
  type: string;
  schema: string;
  updated_at: number;
}

/** The type as callers see it. */
export function readType(row: TypeRow): MessageTypeDefinition {
  const schema = JSON.parse(row.schema) as MessageTypeDefinition["schema"];
  return { type: row.type, schema, updatedAt: iso(row.updated_at) };
}
