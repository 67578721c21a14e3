import type { MessageTypeEngine } from "../message-type-verbs.ts";
import { readType, type TypeChange, type TypeRow } from "../rules/message-types.ts";
import type { Connection } from "./connection.ts";
import { decideBy } from "./decide.ts";
import type { Transaction } from "./transaction.ts";

const BY_TYPE = "SELECT type, schema, updated_at FROM message_types WHERE type = ?";
const LIST = "SELECT type, schema, updated_at FROM message_types WHERE type > ? ORDER BY type LIMIT ?";

const find = (transaction: Transaction, type: string) => transaction.get<TypeRow>(BY_TYPE, type);

/** What the verbs of message types read and write. */
export function messageTypeEngine(connection: Connection): MessageTypeEngine {
  return {
    decide: decideBy(connection, { see: find, write }),
    find: (type) =>
      connection.read((tx) => {
        const row = find(tx, type);
        return row && readType(row);
      }),
    list: ({ after, rows }, take) => connection.read((tx) => take(tx.each<TypeRow>(LIST, after, rows))),
  };
}

function write(transaction: Transaction, { was, row }: TypeChange): void {
  if (was !== undefined) transaction.run("DELETE FROM message_types WHERE type = ?", was.type);
  if (row === undefined) return;
  transaction.run(
    "INSERT INTO message_types (type, schema, updated_at) VALUES (?, ?, ?)",
    row.type,
    row.schema,
    row.updated_at,
  );
}
