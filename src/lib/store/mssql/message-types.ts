import { newId } from "../../model/ids.ts";
import type { MessageTypeDefinition } from "../../model/message.ts";
import { actorOf } from "../../trace/call-context.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { iso } from "../instants.ts";
import { readType, type TypeRow } from "../message-type-reading.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged } from "../store.ts";
import { type Batch, int, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemJson } from "./item-text.ts";
import { procedure } from "./procedures.ts";

/** How long a process may go on using what it read of a type: every send of a custom type asks. */
const CACHED_MILLISECONDS = 5_000;
/** Types kept at most; senders name them, so there is no other bound. */
const CACHED_TYPES_MAX = 1_000;

interface Cached {
  readAt: number;
  definition: MessageTypeDefinition | undefined;
}

const caches = new WeakMap<Connection, Map<string, Cached>>();

function cacheOf(connection: Connection): Map<string, Cached> {
  const known = caches.get(connection);
  if (known !== undefined && known.size < CACHED_TYPES_MAX) return known;
  const cache = new Map<string, Cached>();
  caches.set(connection, cache);
  return cache;
}

const PUT_SQL = procedure("put_message_type");

interface PutCall {
  operationId: string;
  type: string;
  schema: MessageTypeDefinition["schema"];
}

const PUT: Batch<PutCall, { definition: MessageTypeDefinition; created: boolean }> = {
  name: "put-message-type",
  sql: PUT_SQL,
  encode: ({ operationId, type, schema }) => ({
    operation: operationId,
    actor: actorOf(),
    type,
    schema: itemJson(schema),
  }),
  decode: (result, calls) =>
    result.rows<{ created: number; updated_at: number }>(0).map((row, item) => {
      const { type = "", schema = true } = calls[item] ?? {};
      return { value: { definition: { type, schema, updatedAt: iso(row.updated_at) }, created: row.created === 1 } };
    }),
  maxItems: 1,
};

/** Creates or replaces. A replacement is always stamped later than what it replaces, so that caches see it. */
export async function putMessageType(
  connection: Connection,
  type: string,
  schema: MessageTypeDefinition["schema"],
): Promise<{ definition: MessageTypeDefinition; created: boolean }> {
  try {
    return await connection.run(PUT, { operationId: newId(connection.clock.now()), type, schema });
  } finally {
    cacheOf(connection).delete(type);
  }
}

const FIND = procedure("find_message_type");

/** As it was at most 5 s ago. */
export async function findMessageType(
  connection: Connection,
  type: string,
): Promise<MessageTypeDefinition | undefined> {
  const cache = cacheOf(connection);
  const now = connection.clock.monotonic();
  const cached = cache.get(type);
  if (cached !== undefined && now - cached.readAt < CACHED_MILLISECONDS) return cached.definition;
  const row = (await connection.query(FIND, { type: word(type) })).rows<TypeRow>(0)[0];
  const definition = row === undefined ? undefined : readType(row);
  cache.set(type, { readAt: now, definition });
  return definition;
}

const LIST = procedure("list_message_types");

/** By type name. */
export async function listMessageTypes(connection: Connection, page: Page): Promise<Paged<MessageTypeDefinition>> {
  const filters = { list: "message-types" };
  const after = String(decodeCursor(filters, page.cursor, "text")?.[0] ?? "");
  const rows = (await connection.query(LIST, { after: word(after), limit: int(page.limit + 1) })).rows<
    TypeRow & { found: number }
  >(0);
  return takePage(rows, page.limit, readType, (last) => encodeCursor(filters, [last.type]), rows[0]?.found);
}

const DELETE_SQL = procedure("delete_message_type");

const DELETE: Batch<{ operationId: string; type: string }, boolean> = {
  name: "delete-message-type",
  sql: DELETE_SQL,
  encode: ({ operationId, type }) => ({ operation: operationId, actor: actorOf(), type }),
  decode: (result) => result.rows<{ deleted: number }>(0).map(({ deleted }) => ({ value: deleted === 1 })),
  maxItems: 1,
};

/** @returns whether it was registered */
export async function deleteMessageType(connection: Connection, type: string): Promise<boolean> {
  try {
    return await connection.run(DELETE, { operationId: newId(connection.clock.now()), type });
  } finally {
    cacheOf(connection).delete(type);
  }
}
