import { newId } from "../../ids.ts";
import { REPLY_MAX_BYTES } from "../../limits.ts";
import type { MessageTypeDefinition } from "../../messages/message.ts";
import { actorOf } from "../../security/call-context.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { iso } from "../instants.ts";
import { readType, type TypeRow } from "../message-type-reading.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged } from "../store.ts";
import { detailOf, recordRows } from "./audit.ts";
import { type Batch, int, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemJson, plainJson } from "./item-text.ts";
import { sqlText } from "./texts.ts";
import { PROLOGUE, raceUnless } from "./transaction.ts";

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

/** The call, and the answer that an earlier try of it was given: its repeat would find the type as it left it. */
const READ = `${PROLOGUE}DECLARE @type varchar(64), @operation uniqueidentifier, @answer nvarchar(max), @known bigint, @actor varchar(128);
SELECT @type = x.type, @operation = x.operation, @actor = x.actor
FROM OPENJSON(@items) WITH (type varchar(64), operation uniqueidentifier, actor varchar(128)) AS x;
SET @answer = (SELECT answer FROM dbo.operation_answers WHERE operation_id = @operation);
SET @known = (SELECT updated_at FROM dbo.message_types WHERE type = @type);
`;

const PUT_SQL = sqlText(
  "put-message-type",
  `${READ}IF @answer IS NULL
BEGIN
  DECLARE @updatedAt bigint = CASE WHEN @known >= @now THEN @known + 1 ELSE @now END;
  DECLARE @schema nvarchar(max) = (SELECT ${plainJson("v.value")} FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value) AS v
    WHERE v.[key] = 'schema');
  SET @answer = CONCAT(N'{"created":', CASE WHEN @known IS NULL THEN 1 ELSE 0 END, N',"updatedAt":', @updatedAt, N'}');
  BEGIN TRANSACTION;
  IF @known IS NULL INSERT INTO dbo.message_types (type, [schema], updated_at) VALUES (@type, @schema, @updatedAt);
  ELSE
  BEGIN
    UPDATE dbo.message_types SET [schema] = @schema, updated_at = @updatedAt WHERE type = @type AND updated_at = @known;
    ${raceUnless("1")}  END;
  ${recordRows({
    actor: "@actor",
    action: "'message_type.put'",
    subjectKind: "'message_type'",
    subjectId: "@type",
    detail: detailOf({ created: { flag: "CASE WHEN @known IS NULL THEN 1 ELSE 0 END" } }),
  })}  INSERT INTO dbo.operation_answers (operation_id, answer, answered_at) VALUES (@operation, @answer, @now);
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, CAST(JSON_VALUE(@answer, '$.created') AS int) AS created, CAST(JSON_VALUE(@answer, '$.updatedAt') AS bigint) AS updated_at;
`,
);

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
  wakes: false,
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

const FIND = sqlText(
  "find-message-type",
  "SELECT type, [schema], updated_at FROM dbo.message_types WHERE type = @type;\n",
);

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

const LIST = sqlText(
  "list-message-types",
  `SELECT s.type, s.[schema], s.updated_at, w.found
FROM (SELECT k.type, COUNT(*) OVER () AS found,
    SUM(k.characters) OVER (ORDER BY k.type ROWS UNBOUNDED PRECEDING) - k.characters AS characters_before
  FROM (SELECT TOP (@limit) t.type, DATALENGTH(t.[schema]) / 2 AS characters FROM dbo.message_types AS t
    WHERE t.type > @after ORDER BY t.type) AS k) AS w
JOIN dbo.message_types AS s ON s.type = w.type AND w.characters_before <= ${REPLY_MAX_BYTES}
ORDER BY s.type;
`,
);

/** By type name. */
export async function listMessageTypes(connection: Connection, page: Page): Promise<Paged<MessageTypeDefinition>> {
  const filters = { list: "message-types" };
  const after = String(decodeCursor(filters, page.cursor)?.[0] ?? "");
  const rows = (await connection.query(LIST, { after: word(after), limit: int(page.limit + 1) })).rows<
    TypeRow & { found: number }
  >(0);
  return takePage(rows, page.limit, readType, (last) => encodeCursor(filters, [last.type]), rows[0]?.found);
}

const DELETE_SQL = sqlText(
  "delete-message-type",
  `${READ}IF @answer IS NULL
BEGIN
  SET @answer = CONCAT(N'{"deleted":', CASE WHEN @known IS NULL THEN 0 ELSE 1 END, N'}');
  BEGIN TRANSACTION;
  DELETE FROM dbo.message_types WHERE type = @type;
  ${raceUnless("CASE WHEN @known IS NULL THEN 0 ELSE 1 END")}  ${recordRows({
    actor: "@actor",
    action: "'message_type.deleted'",
    subjectKind: "'message_type'",
    subjectId: "@type",
    from: "WHERE @known IS NOT NULL",
  })}  INSERT INTO dbo.operation_answers (operation_id, answer, answered_at) VALUES (@operation, @answer, @now);
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, CAST(JSON_VALUE(@answer, '$.deleted') AS int) AS deleted;
`,
);

const DELETE: Batch<{ operationId: string; type: string }, boolean> = {
  name: "delete-message-type",
  sql: DELETE_SQL,
  encode: ({ operationId, type }) => ({ operation: operationId, actor: actorOf(), type }),
  decode: (result) => result.rows<{ deleted: number }>(0).map(({ deleted }) => ({ value: deleted === 1 })),
  maxItems: 1,
  wakes: false,
};

/** @returns whether it was registered */
export async function deleteMessageType(connection: Connection, type: string): Promise<boolean> {
  try {
    return await connection.run(DELETE, { operationId: newId(connection.clock.now()), type });
  } finally {
    cacheOf(connection).delete(type);
  }
}
