import type { Channel, ChannelDetails, ChannelKind } from "../../channels/channel.ts";
import { newId } from "../../ids.ts";
import { actorOf } from "../../security/call-context.ts";
import { capabilitiesHash } from "../capabilities.ts";
import {
  CHANNEL_HEARTBEAT_AT,
  CHANNEL_ROLE,
  type ChannelRow,
  channelBeingEmptied,
  channelTaken,
  type GrantRow,
  granteeOf,
  readChannel,
  readDetails,
} from "../channel-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { type AgentRefusalCode, agentRefusal, channelNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { ChannelReader, NewChannel, Page, Paged } from "../store.ts";
import { detailOf, recordRows } from "./audit.ts";
import { type Batch, id, int, type OutcomeRow, outcomeRows, word } from "./batch.ts";
import { DECLARE_CAPABILITY_SETS, INTERN_CAPABILITY_SETS } from "./capability-sets.ts";
import type { Connection } from "./connection.ts";
import { itemText, plainText } from "./item-text.ts";
import { unsettledOf } from "./sweep.ts";
import { type SqlText, sqlText } from "./texts.ts";
import { BIN2, BY_KEY, ID, PROLOGUE, raceUnless, WORD } from "./transaction.ts";

/** Channels: making, reading and deleting them. */

const COLUMNS = "c.channel_no, c.name, c.kind, c.description, c.created_by, c.created_at, c.members";

/** Two recordsets: the channel of @channelNo, and its grants. */
const DETAILS = `SELECT ${COLUMNS} FROM dbo.channels AS c WHERE c.channel_no = @channelNo;
SELECT g.grantee, g.may_post, g.may_read, g.may_manage FROM dbo.channel_grants AS g WHERE g.channel_no = @channelNo;
`;

const SUBJECT = { subjectKind: "'channel'", subjectId: "@name" };
/** What is recorded of each of some members, or grants; `from` has an alias, m or g. */
export const MEMBER_DETAIL = detailOf({ agentId: { word: "m.agent_id" } });
export const GRANT_DETAIL = detailOf({
  grantee: { word: "g.grantee" },
  post: { flag: "g.may_post" },
  read: { flag: "g.may_read" },
  manage: { flag: "g.may_manage" },
});
const CHANNEL_DETAIL = detailOf({
  kind: { word: "@kind" },
  members: { number: "@members" },
  grants: { number: "@grants" },
});

/** The call, with what it meets; `@code` says what stands in the way: the same as before is no refusal, but no channel to make either. */
const READ_NEW = `DECLARE @name varchar(100), @kind varchar(10), @creator varchar(128), @requestHash varchar(64), @setHash varchar(43),
  @operation uniqueidentifier, @actor varchar(128), @channelNo int, @mailboxNo int, @created bit = 0, @code varchar(24), @subject varchar(128),
  @description nvarchar(max), @members int, @grants int;
SELECT @name = x.name, @kind = x.kind, @creator = x.creator, @requestHash = x.request_hash, @setHash = x.set_hash,
  @operation = x.operation, @actor = x.actor
FROM OPENJSON(@items) WITH (name varchar(100), kind varchar(10), creator varchar(128), request_hash varchar(64),
  set_hash varchar(43), operation uniqueidentifier, actor varchar(128)) AS x;
SET @description = (SELECT ${plainText("v.value")} FROM OPENJSON(@items) AS i CROSS APPLY OPENJSON(i.value) AS v
  WHERE v.[key] = 'description' AND v.value IS NOT NULL);
DECLARE @newMembers TABLE (agent_id ${ID} NOT NULL PRIMARY KEY, agent_no int NULL, status ${WORD} NULL);
INSERT INTO @newMembers (agent_id, agent_no, status)
SELECT CAST(m.value AS varchar(128)) ${BIN2}, a.agent_no, a.status
FROM OPENJSON(@items, '$[0].members') AS m LEFT JOIN dbo.agents AS a ON a.agent_id = CAST(m.value AS varchar(128)) ${BIN2}
${BY_KEY};
SET @members = @@ROWCOUNT;
DECLARE @newGrants TABLE (grantee ${ID} NOT NULL PRIMARY KEY, agent_id ${ID} NULL, agent_no int NULL, status ${WORD} NULL,
  optional bit NOT NULL, may_post bit NOT NULL, may_read bit NOT NULL, may_manage bit NOT NULL);
INSERT INTO @newGrants (grantee, agent_id, agent_no, status, optional, may_post, may_read, may_manage)
SELECT g.grantee, g.agent_id, a.agent_no, a.status, g.optional, g.may_post, g.may_read, g.may_manage
FROM OPENJSON(@items, '$[0].grants') WITH (grantee varchar(128), agent_id varchar(128), optional bit, may_post bit, may_read bit,
  may_manage bit) AS g
LEFT JOIN dbo.agents AS a ON a.agent_id = g.agent_id ${BIN2}
${BY_KEY};
DELETE FROM @newGrants WHERE optional = 1 AND (agent_no IS NULL OR status = 'deregistered');
SET @grants = (SELECT COUNT(*) FROM @newGrants);
SELECT @channelNo = c.channel_no, @created = CASE WHEN c.operation_id = @operation THEN 1 ELSE 0 END,
  @code = CASE WHEN c.created_by = @creator AND c.request_hash = @requestHash THEN 'KNOWN' ELSE 'ID_TAKEN' END
FROM dbo.channels AS c WHERE c.name = @name;
IF @code IS NULL
BEGIN
  SELECT TOP (1) @subject = r.agent_id, @code = CASE WHEN r.agent_no IS NULL THEN 'AGENT_NOT_FOUND' ELSE 'AGENT_DEREGISTERED' END
  FROM (SELECT m.agent_id, m.agent_no, m.status FROM @newMembers AS m
    UNION ALL SELECT g.agent_id, g.agent_no, g.status FROM @newGrants AS g WHERE g.agent_id IS NOT NULL) AS r
  WHERE r.agent_no IS NULL OR r.status = 'deregistered' ORDER BY r.agent_id;
  SET @mailboxNo = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = CONCAT('#', @name) ${BIN2});
  IF @code IS NULL AND ${unsettledOf("@mailboxNo")} SET @code = 'BEING_EMPTIED';
END;
`;

/**
 * The mailbox, and then the channel that refers to it, against the lock order: nobody else writes the rows of a mailbox whose
 * channel is not there. Who makes a channel of that name at once loses by the unique id or name, or finds the mailbox revived.
 */
const WRITE_NEW = `IF @code IS NULL
BEGIN
  ${DECLARE_CAPABILITY_SETS}INSERT INTO @sets (capabilities_hash, capabilities) VALUES (@setHash, N'[]');
  ${INTERN_CAPABILITY_SETS}BEGIN TRANSACTION;
  IF @mailboxNo IS NOT NULL
  BEGIN
    UPDATE dbo.agents SET status = 'active', status_changed_at = @now, mailbox_left = 0
    WHERE agent_no = @mailboxNo AND status = 'deregistered';
    ${raceUnless("1")}    UPDATE dbo.agent_heartbeats SET beating = 1 WHERE agent_no = @mailboxNo;
  END;
  ELSE
  BEGIN
    INSERT INTO dbo.agents (agent_id, role, status, set_no, registered_at, status_changed_at)
    SELECT CONCAT('#', @name), '${CHANNEL_ROLE}', 'active', s.set_no, @now, @now
    FROM dbo.capability_sets AS s WHERE s.capabilities_hash = @setHash;
    ${raceUnless("1")}    SET @mailboxNo = (SELECT a.agent_no FROM dbo.agents AS a WHERE a.agent_id = CONCAT('#', @name) ${BIN2});
    INSERT INTO dbo.agent_loads (agent_no, agent_id, set_no, working, max_concurrent_tasks)
    SELECT a.agent_no, a.agent_id, a.set_no, 0, 0 FROM dbo.agents AS a WHERE a.agent_no = @mailboxNo;
    INSERT INTO dbo.agent_heartbeats (agent_no, last_heartbeat_at, beating) VALUES (@mailboxNo, ${CHANNEL_HEARTBEAT_AT}, 1);
    INSERT INTO dbo.counters (name, slot)
    SELECT CONCAT('mailbox:', @mailboxNo), s.slot FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS s (slot);
  END;
  INSERT INTO dbo.channels (channel_no, name, kind, description, created_by, created_at, request_hash, operation_id, members, grants)
  VALUES (@mailboxNo, @name, @kind, @description, @creator, @now, @requestHash, @operation, @members, @grants);
  INSERT INTO dbo.channel_members (channel_no, agent_no, added_at)
  SELECT @mailboxNo, m.agent_no, @now FROM @newMembers AS m;
  INSERT INTO dbo.channel_grants (channel_no, grantee, agent_no, may_post, may_read, may_manage)
  SELECT @mailboxNo, g.grantee, g.agent_no, g.may_post, g.may_read, g.may_manage FROM @newGrants AS g;
  ${recordRows({ ...SUBJECT, actor: "@actor", action: "'channel.created'", detail: CHANNEL_DETAIL })}  ${recordRows({
    ...SUBJECT,
    actor: "@actor",
    action: "'channel.member_added'",
    detail: MEMBER_DETAIL,
    from: "FROM @newMembers AS m ORDER BY m.agent_id",
  })}  ${recordRows({
    ...SUBJECT,
    actor: "@actor",
    action: "'channel.grant_changed'",
    detail: GRANT_DETAIL,
    from: "FROM @newGrants AS g ORDER BY g.grantee",
  })}  COMMIT TRANSACTION;
  SELECT @channelNo = @mailboxNo, @created = 1;
END;
`;

const CREATE_SQL = sqlText(
  "create-channel",
  `${PROLOGUE}${READ_NEW}${WRITE_NEW}SELECT 0 AS item, @code AS code, @subject AS subject, @created AS created;
${DETAILS}`,
);

interface CreateOutcome extends OutcomeRow {
  code: AgentRefusalCode | "KNOWN" | "ID_TAKEN" | "BEING_EMPTIED" | null;
  created: boolean;
}

/** The grants of the request that grant anything, and the creator's: of one that need not be registered, if it is. */
function encodeGrants(channel: NewChannel) {
  const ofOthers = channel.grants.filter(
    ({ agentId, post, read, manage }) => (post || read || manage) && agentId !== channel.creator,
  );
  const grants = ofOthers.map(({ agentId, role, post, read, manage }) => ({
    grantee: granteeOf({ agentId, role }),
    agent_id: agentId ?? null,
    optional: false,
    may_post: post,
    may_read: read,
    may_manage: manage,
  }));
  const { creator, creatorMustBeRegistered } = channel;
  const every = { may_post: true, may_read: true, may_manage: true };
  return [...grants, { grantee: creator, agent_id: creator, optional: !creatorMustBeRegistered, ...every }];
}

const CREATE: Batch<NewChannel & { operationId: string }, { channel: ChannelDetails; created: boolean }> = {
  name: "create-channel",
  sql: CREATE_SQL,
  encode: (channel) => ({
    operation: channel.operationId,
    actor: actorOf(),
    name: channel.name,
    kind: channel.kind,
    description: channel.description === undefined ? null : itemText(channel.description),
    creator: channel.creator,
    request_hash: channel.requestHash,
    set_hash: capabilitiesHash([]),
    members: [...new Set(channel.members)],
    grants: encodeGrants(channel),
  }),
  decode(result, calls) {
    return outcomeRows<CreateOutcome>(result, calls).map(({ code, subject, created }, position) => {
      const name = calls[position]?.name ?? "";
      if (code === "ID_TAKEN") return { refusal: channelTaken(name) };
      if (code === "BEING_EMPTIED") return { refusal: channelBeingEmptied(name) };
      if (code !== null && code !== "KNOWN") return { refusal: agentRefusal(code, subject ?? "") };
      const [row] = result.rows<ChannelRow>(1);
      if (row === undefined) throw new Error("the channel's row was not returned");
      return { value: { channel: readDetails(row, result.rows<GrantRow>(2)), created } };
    });
  },
  maxItems: 1,
  conflictKey: ({ name }) => name,
  wakes: false,
};

/**
 * Makes a channel with its members and grants. The same again by the same creator: the channel as it is now.
 *
 * @throws ID_TAKEN, AGENT_NOT_FOUND, AGENT_DEREGISTERED
 */
export function createChannel(
  connection: Connection,
  input: NewChannel,
): Promise<{ channel: ChannelDetails; created: boolean }> {
  return connection.run(CREATE, { ...input, operationId: newId(connection.clock.now()) });
}

const GET = sqlText(
  "get-channel",
  `DECLARE @channelNo int = (SELECT c.channel_no FROM dbo.channels AS c WHERE c.name = @name);
${DETAILS}`,
);

/** @throws CHANNEL_NOT_FOUND */
export async function getChannel(connection: Connection, name: string): Promise<ChannelDetails> {
  const result = await connection.query(GET, { name: id(name) });
  const [row] = result.rows<ChannelRow>(0);
  if (row === undefined) throw channelNotFound(name);
  return readDetails(row, result.rows<GrantRow>(1));
}

/** What somebody may read: by membership, by a grant of its own, by one of its role. */
const READABLE = `AND c.channel_no IN (
  SELECT m.channel_no FROM dbo.agents AS a JOIN dbo.channel_members AS m ON m.agent_no = a.agent_no WHERE a.agent_id = @agentId
  UNION ALL SELECT g.channel_no FROM dbo.channel_grants AS g WHERE g.grantee IN (@agentId, @roleGrantee) AND g.may_read = 1)`;

function listSql(ofKind: boolean, readable: boolean): SqlText {
  return sqlText(
    `list-channels${ofKind ? " of-kind" : ""}${readable ? " readable" : ""}`,
    `SELECT TOP (@rows) ${COLUMNS} FROM dbo.channels AS c
WHERE c.name > @after ${ofKind ? "AND c.kind = @kind " : ""}${readable ? READABLE : ""}
ORDER BY c.name;
`,
  );
}

/** A text for each set of filters: by kind, by reader. */
const LISTS = [
  [listSql(false, false), listSql(false, true)],
  [listSql(true, false), listSql(true, true)],
] as const;

/** By name. */
export async function listChannels(
  connection: Connection,
  query: Page & { kind?: ChannelKind | undefined; reader?: ChannelReader | undefined },
): Promise<Paged<Channel>> {
  const { kind, reader, limit } = query;
  const filters = { list: "channels", kind, reader };
  const after = String(decodeCursor(filters, query.cursor)?.[0] ?? "");
  const sql = LISTS[kind === undefined ? 0 : 1][reader === undefined ? 0 : 1];
  const [agentId, roleGrantee] = reader === undefined ? [] : granteesOf(reader);
  const result = await connection.query(sql, {
    rows: int(limit + 1),
    after: id(after),
    ...(kind !== undefined && { kind: word(kind) }),
    ...(agentId !== undefined && { agentId: id(agentId), roleGrantee: id(roleGrantee ?? agentId) }),
  });
  const rows = result.rows<ChannelRow>(0);
  return takePage(rows, limit, readChannel, (last) => encodeCursor(filters, [last.name]));
}

/** Under which two names grants are found; without a role both are the agent's. */
export function granteesOf({ agentId, role }: ChannelReader): [string, string] {
  return [agentId, role === undefined ? agentId : granteeOf({ role })];
}

/** Its members and grants go with the row. */
const DELETE_SQL = sqlText(
  "delete-channel",
  `${PROLOGUE}DECLARE @name varchar(100), @operation uniqueidentifier, @actor varchar(128), @answer nvarchar(max), @channelNo int,
  @kind varchar(10), @members int, @grants int;
SELECT @name = x.name, @operation = x.operation, @actor = x.actor
FROM OPENJSON(@items) WITH (name varchar(100), operation uniqueidentifier, actor varchar(128)) AS x;
SET @answer = (SELECT o.answer FROM dbo.operation_answers AS o WHERE o.operation_id = @operation);
SELECT @channelNo = c.channel_no, @kind = c.kind, @members = c.members, @grants = c.grants FROM dbo.channels AS c WHERE c.name = @name;
IF @answer IS NULL
BEGIN
  SET @answer = CONCAT(N'{"deleted":', CASE WHEN @channelNo IS NULL THEN 0 ELSE 1 END, N'}');
  BEGIN TRANSACTION;
  IF @channelNo IS NOT NULL
  BEGIN
    DELETE FROM dbo.channels WHERE channel_no = @channelNo;
    ${raceUnless("1")}    UPDATE dbo.agents SET status = 'deregistered', status_changed_at = @now, mailbox_left = 1
    WHERE agent_no = @channelNo AND status = 'active';
    ${raceUnless("1")}    UPDATE dbo.agent_heartbeats SET beating = 0 WHERE agent_no = @channelNo;
    ${recordRows({ ...SUBJECT, actor: "@actor", action: "'channel.deleted'", detail: CHANNEL_DETAIL })}  END;
  INSERT INTO dbo.operation_answers (operation_id, answer, answered_at) VALUES (@operation, @answer, @now);
  COMMIT TRANSACTION;
END;
SELECT 0 AS item, CAST(JSON_VALUE(@answer, '$.deleted') AS int) AS deleted;
`,
);

const DELETE: Batch<{ operationId: string; name: string }, boolean> = {
  name: "delete-channel",
  sql: DELETE_SQL,
  encode: ({ operationId, name }) => ({ operation: operationId, actor: actorOf(), name }),
  decode: (result) => result.rows<{ deleted: number }>(0).map(({ deleted }) => ({ value: deleted === 1 })),
  maxItems: 1,
  conflictKey: ({ name }) => name,
  wakes: false,
};

/** With its members and grants; what is left in its mailbox is the sweep's. @returns whether there was one */
export function deleteChannel(connection: Connection, name: string): Promise<boolean> {
  return connection.run(DELETE, { operationId: newId(connection.clock.now()), name });
}
