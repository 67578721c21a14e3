import { newId } from "../../model/ids.ts";
import type { DeadLetterFilter } from "../../model/message.ts";
import { actorOf } from "../../trace/call-context.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { takePage } from "../reply-bytes.ts";
import type { DeadLetterSelection, Page, Paged, StoredMessage } from "../store.ts";
import { type Batch, bigint, id, int, text, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemText } from "./item-text.ts";
import { type ReadableMessageRow, readMessage } from "./message-rows.ts";
import { procedure } from "./procedures.ts";

const LIST = procedure("list_dead_letters");

/** Newest first by the time of dead-lettering. */
export async function listDeadLetters(
  connection: Connection,
  query: Page & Omit<DeadLetterFilter, "before">,
): Promise<Paged<StoredMessage>> {
  const { limit, cursor, ...filter } = query;
  const filters = { list: "dead-letters", ...filter };
  const [endedAt, arrival] = decodeCursor(filters, cursor, 2) ?? [Number.MAX_SAFE_INTEGER, 0];
  const result = await connection.query(LIST, {
    receiver: id(filter.receiver ?? null),
    type: word(filter.type ?? null),
    reason: text(filter.reason ?? null),
    endedAt: bigint(Number(endedAt)),
    arrival: bigint(Number(arrival)),
    limit: int(limit + 1),
  });
  const ended = (row: ReadableMessageRow): number => row.ended_at ?? 0;
  const rows = result
    .rows<ReadableMessageRow & { found: number }>(0)
    .sort((a, b) => ended(b) - ended(a) || b.arrival - a.arrival);
  return takePage(
    rows,
    limit,
    readMessage,
    (last) => encodeCursor(filters, [ended(last), last.arrival]),
    rows[0]?.found,
  );
}

const REDRIVE_SQL = procedure("redrive_dead_letters");

const PURGE_SQL = procedure("purge_dead_letters");

type Operation = DeadLetterSelection & { operationId: string };

function operationBatch(name: string, sql: typeof PURGE_SQL): Batch<Operation, number> {
  return {
    name,
    sql,
    encode: ({ operationId, messageIds, filter, dryRun }) => ({
      operation: operationId,
      actor: actorOf(),
      dry_run: dryRun,
      by_ids: messageIds !== undefined,
      ids: [...(messageIds ?? [])],
      receiver: filter?.receiver ?? null,
      type: filter?.type ?? null,
      reason: filter?.reason === undefined ? null : itemText(filter.reason),
      before: filter?.before === undefined ? null : Date.parse(filter.before),
    }),
    decode: (result) => result.rows<{ count: number }>(0).map(({ count }) => ({ value: count })),
    // Up to a thousand rows each.
    maxItems: 1,
  };
}

const REDRIVE = operationBatch("redrive-dead-letters", REDRIVE_SQL);
const PURGE = operationBatch("purge-dead-letters", PURGE_SQL);

/**
 * Queues dead letters again: new arrival number, the same attempt, `maxAttempts` more of them, no time to live any more
 * (an operator's redrive of an old message would otherwise expire at once). Those of deregistered agents stay, and those
 * for which a mailbox has no room.
 *
 * @returns how many
 */
export function redriveDeadLetters(connection: Connection, selection: DeadLetterSelection): Promise<number> {
  return connection.run(REDRIVE, { ...selection, operationId: newId(connection.clock.now()) });
}

/** Deletes dead letters. @returns how many */
export function purgeDeadLetters(connection: Connection, selection: DeadLetterSelection): Promise<number> {
  return connection.run(PURGE, { ...selection, operationId: newId(connection.clock.now()) });
}
