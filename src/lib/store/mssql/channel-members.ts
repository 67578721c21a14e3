import type { ChannelMember, PutChannelGrant } from "../../channels/channel.ts";
import type { AgentCommunicationError } from "../../errors.ts";
import { CHANNEL_GRANTS_MAX, CHANNEL_MEMBERS_MAX } from "../../limits.ts";
import { actorOf } from "../../security/call-context.ts";
import { channelFull, granteeOf } from "../channel-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { iso } from "../instants.ts";
import { type AgentRefusalCode, agentRefusal, channelNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged } from "../store.ts";
import { recordRows } from "./audit.ts";
import { type Batch, id, int, type OutcomeRow, outcomeRows } from "./batch.ts";
import { GRANT_DETAIL, MEMBER_DETAIL } from "./channels.ts";
import type { Connection } from "./connection.ts";
import { sqlText } from "./texts.ts";
import { BY_KEY, ID, PROLOGUE, raceUnless } from "./transaction.ts";

/** Who belongs to a channel, and what agents and roles may do with it. */

const MEMBERS = sqlText(
  "list-channel-members",
  `DECLARE @channelNo int = (SELECT c.channel_no FROM dbo.channels AS c WHERE c.name = @name);
SELECT @channelNo AS channel_no;
SELECT TOP (@rows) a.agent_id, m.added_at
FROM dbo.channel_members AS m JOIN dbo.agents AS a ON a.agent_no = m.agent_no
WHERE m.channel_no = @channelNo AND a.agent_id > @after ORDER BY a.agent_id;
`,
);

/** By id. @throws CHANNEL_NOT_FOUND */
export async function listChannelMembers(
  connection: Connection,
  name: string,
  page: Page,
): Promise<Paged<ChannelMember>> {
  const filters = { list: "channel-members", name };
  const after = String(decodeCursor(filters, page.cursor)?.[0] ?? "");
  const result = await connection.query(MEMBERS, { name: id(name), after: id(after), rows: int(page.limit + 1) });
  if (result.rows<{ channel_no: number | null }>(0)[0]?.channel_no == null) throw channelNotFound(name);
  const rows = result.rows<{ agent_id: string; added_at: number }>(1);
  return takePage(
    rows,
    page.limit,
    (row) => ({ agentId: row.agent_id, addedAt: iso(row.added_at) }),
    (last) => encodeCursor(filters, [last.agent_id]),
  );
}

/** The call and whom it names; in @agents, one row of the agent when it is there: its number, and when it became a member. */
const READ = `${PROLOGUE}DECLARE @name varchar(100), @agentId varchar(128), @actor varchar(128), @code varchar(24), @channelNo int, @held int,
  @agentNo int, @status varchar(24), @addedAt bigint;
SELECT @name = x.name, @agentId = x.agent_id, @actor = x.actor
FROM OPENJSON(@items) WITH (name varchar(100), agent_id varchar(128), actor varchar(128)) AS x;
SELECT @channelNo = c.channel_no, @held = c.members FROM dbo.channels AS c WHERE c.name = @name;
SELECT @agentNo = a.agent_no, @status = a.status FROM dbo.agents AS a WHERE a.agent_id = @agentId;
SET @addedAt = (SELECT m.added_at FROM dbo.channel_members AS m WHERE m.channel_no = @channelNo AND m.agent_no = @agentNo);
IF @channelNo IS NULL SET @code = 'CHANNEL_NOT_FOUND';
`;

const AGENT_CODES = `IF @code IS NULL SET @code = CASE WHEN @agentNo IS NULL THEN 'AGENT_NOT_FOUND'
  WHEN @status = 'deregistered' THEN 'AGENT_DEREGISTERED' END;
`;

const THE_MEMBER = {
  actor: "@actor",
  subjectKind: "'channel'",
  subjectId: "@name",
  detail: MEMBER_DETAIL,
  from: "FROM (SELECT @agentId AS agent_id) AS m",
} as const;

const ADD_SQL = sqlText(
  "add-channel-member",
  `${READ}${AGENT_CODES}IF @code IS NULL AND @addedAt IS NULL AND @held >= ${CHANNEL_MEMBERS_MAX} SET @code = 'FULL';
IF @code IS NULL AND @addedAt IS NULL
BEGIN
  BEGIN TRANSACTION;
  UPDATE dbo.channels SET members = members + 1 WHERE channel_no = @channelNo AND members < ${CHANNEL_MEMBERS_MAX};
  ${raceUnless("1")}  INSERT INTO dbo.channel_members (channel_no, agent_no, added_at) VALUES (@channelNo, @agentNo, @now);
  ${recordRows({ ...THE_MEMBER, action: "'channel.member_added'" })}  COMMIT TRANSACTION;
  SET @addedAt = @now;
END;
SELECT 0 AS item, @code AS code, @addedAt AS added_at;
`,
);

const REMOVE_SQL = sqlText(
  "remove-channel-member",
  `${READ}IF @code IS NULL AND @addedAt IS NOT NULL
BEGIN
  BEGIN TRANSACTION;
  UPDATE dbo.channels SET members = members - 1 WHERE channel_no = @channelNo;
  ${raceUnless("1")}  DELETE FROM dbo.channel_members WHERE channel_no = @channelNo AND agent_no = @agentNo;
  ${raceUnless("1")}  ${recordRows({ ...THE_MEMBER, action: "'channel.member_removed'" })}  COMMIT TRANSACTION;
END;
SELECT 0 AS item, @code AS code, @addedAt AS added_at;
`,
);

type Code = AgentRefusalCode | "CHANNEL_NOT_FOUND" | "FULL";

interface MemberCall {
  name: string;
  agentId: string;
}

interface MemberOutcome extends OutcomeRow {
  code: Code | null;
  added_at: number | null;
}

function refusalOf(code: Code, name: string, agentId: string, what: "members" | "grants"): AgentCommunicationError {
  if (code === "CHANNEL_NOT_FOUND") return channelNotFound(name);
  if (code === "FULL") return channelFull(what);
  return agentRefusal(code, agentId);
}

function memberBatch(name: string, sql: typeof ADD_SQL): Batch<MemberCall, number> {
  return {
    name,
    sql,
    encode: (call) => ({ name: call.name, agent_id: call.agentId, actor: actorOf() }),
    decode: (result, calls) =>
      outcomeRows<MemberOutcome>(result, calls).map(({ code, added_at: addedAt }, position) => {
        const call = calls[position];
        if (call === undefined) throw new Error("an outcome without its call");
        if (code !== null) return { refusal: refusalOf(code, call.name, call.agentId, "members") };
        return { value: addedAt ?? 0 };
      }),
    maxItems: 1,
    conflictKey: (call) => call.name,
    wakes: false,
  };
}

const ADD = memberBatch("add-channel-member", ADD_SQL);
const REMOVE = memberBatch("remove-channel-member", REMOVE_SQL);

/**
 * One that is a member already stays as it is.
 *
 * @throws CHANNEL_NOT_FOUND, AGENT_NOT_FOUND, AGENT_DEREGISTERED, INVALID_REQUEST
 */
export async function addChannelMember(connection: Connection, name: string, agentId: string): Promise<ChannelMember> {
  return { agentId, addedAt: iso(await connection.run(ADD, { name, agentId })) };
}

/** One that is no member: nothing happens. @throws CHANNEL_NOT_FOUND */
export async function removeChannelMember(connection: Connection, name: string, agentId: string): Promise<void> {
  await connection.run(REMOVE, { name, agentId });
}

/** `@granted`: what is there now as one number, NULL for nothing; `@wanted` likewise, 0 for nothing. */
const PUT_GRANT_SQL = sqlText(
  "put-channel-grant",
  `${PROLOGUE}DECLARE @name varchar(100), @grantee varchar(128), @agentId varchar(128), @actor varchar(128), @code varchar(24), @channelNo int,
  @held int, @agentNo int, @status varchar(24), @post bit, @read bit, @manage bit, @granted int, @wanted int;
SELECT @name = x.name, @grantee = x.grantee, @agentId = x.agent_id, @actor = x.actor, @post = x.may_post, @read = x.may_read,
  @manage = x.may_manage
FROM OPENJSON(@items) WITH (name varchar(100), grantee varchar(128), agent_id varchar(128), actor varchar(128), may_post bit,
  may_read bit, may_manage bit) AS x;
SET @wanted = CAST(@post AS int) + 2 * CAST(@read AS int) + 4 * CAST(@manage AS int);
SELECT @channelNo = c.channel_no, @held = c.grants FROM dbo.channels AS c WHERE c.name = @name;
SELECT @agentNo = a.agent_no, @status = a.status FROM dbo.agents AS a WHERE a.agent_id = @agentId;
SET @granted = (SELECT CAST(g.may_post AS int) + 2 * CAST(g.may_read AS int) + 4 * CAST(g.may_manage AS int)
  FROM dbo.channel_grants AS g WHERE g.channel_no = @channelNo AND g.grantee = @grantee);
IF @channelNo IS NULL SET @code = 'CHANNEL_NOT_FOUND';
IF @agentId IS NOT NULL AND @wanted > 0
BEGIN
  ${AGENT_CODES}END;
IF @code IS NULL AND @wanted > 0 AND @granted IS NULL AND @held >= ${CHANNEL_GRANTS_MAX} SET @code = 'FULL';
IF @code IS NULL AND @wanted <> COALESCE(@granted, 0)
BEGIN
  BEGIN TRANSACTION;
  UPDATE dbo.channels SET grants = grants + CASE WHEN @granted IS NULL THEN 1 WHEN @wanted = 0 THEN -1 ELSE 0 END
  WHERE channel_no = @channelNo AND (@granted IS NOT NULL OR grants < ${CHANNEL_GRANTS_MAX});
  ${raceUnless("1")}  IF @granted IS NULL
    INSERT INTO dbo.channel_grants (channel_no, grantee, agent_no, may_post, may_read, may_manage)
    VALUES (@channelNo, @grantee, @agentNo, @post, @read, @manage);
  ELSE IF @wanted = 0
    DELETE FROM dbo.channel_grants WHERE channel_no = @channelNo AND grantee = @grantee;
  ELSE
    UPDATE dbo.channel_grants SET may_post = @post, may_read = @read, may_manage = @manage
    WHERE channel_no = @channelNo AND grantee = @grantee;
  ${raceUnless("1")}  ${recordRows({
    actor: "@actor",
    action: "'channel.grant_changed'",
    subjectKind: "'channel'",
    subjectId: "@name",
    detail: GRANT_DETAIL,
    from: "FROM (SELECT @grantee AS grantee, @post AS may_post, @read AS may_read, @manage AS may_manage) AS g",
  })}  COMMIT TRANSACTION;
END;
SELECT 0 AS item, @code AS code;
`,
);

type GrantCall = PutChannelGrant & { name: string };

const PUT_GRANT: Batch<GrantCall, void> = {
  name: "put-channel-grant",
  sql: PUT_GRANT_SQL,
  encode: ({ name, agentId, role, post, read, manage }) => ({
    name,
    actor: actorOf(),
    grantee: granteeOf({ agentId, role }),
    agent_id: agentId ?? null,
    may_post: post,
    may_read: read,
    may_manage: manage,
  }),
  decode: (result, calls) =>
    outcomeRows<OutcomeRow & { code: Code | null }>(result, calls).map(({ code }, position) => {
      const { name = "", agentId = "" } = calls[position] ?? {};
      return code === null ? { value: undefined } : { refusal: refusalOf(code, name, agentId, "grants") };
    }),
  maxItems: 1,
  conflictKey: ({ name }) => name,
  wakes: false,
};

/**
 * Puts the grant in the place of what the agent or role had; one without any right takes that away.
 *
 * @throws CHANNEL_NOT_FOUND, AGENT_NOT_FOUND, AGENT_DEREGISTERED, INVALID_REQUEST
 */
export function putChannelGrant(connection: Connection, name: string, grant: PutChannelGrant): Promise<void> {
  return connection.run(PUT_GRANT, { ...grant, name });
}

const LEAVING = { subjectKind: "'channel'", subjectId: "c.name" } as const;

/** What agents that are about to be deleted have in channels. */
export const DECLARE_LEAVING = `DECLARE @leavingMembers TABLE (channel_no int NOT NULL, agent_no int NOT NULL, agent_id ${ID} NOT NULL,
  PRIMARY KEY (channel_no, agent_no));
DECLARE @leavingGrants TABLE (channel_no int NOT NULL, grantee ${ID} NOT NULL, PRIMARY KEY (channel_no, grantee));
DECLARE @leavingRows int;
`;

/**
 * Takes the agents of a table variable out of all channels, so that who takes their ids later inherits nothing. The reads;
 * LEAVE_CHANNELS does the rest, first in the transaction.
 *
 * @param gone a table variable with agent_no and agent_id
 */
export function readLeaving(gone: string): string {
  return `INSERT INTO @leavingMembers (channel_no, agent_no, agent_id)
SELECT m.channel_no, m.agent_no, x.agent_id FROM ${gone} AS x JOIN dbo.channel_members AS m ON m.agent_no = x.agent_no
${BY_KEY};
INSERT INTO @leavingGrants (channel_no, grantee)
SELECT g.channel_no, g.grantee FROM ${gone} AS x
JOIN dbo.channel_grants AS g ON g.agent_no = x.agent_no AND g.agent_no IS NOT NULL
${BY_KEY};
`;
}

/** One that has joined or left in between is a lost race. */
export const LEAVE_CHANNELS = `IF EXISTS (SELECT 1 FROM @leavingMembers) OR EXISTS (SELECT 1 FROM @leavingGrants)
BEGIN
  UPDATE c SET members = c.members - l.members, grants = c.grants - l.grants
  FROM (SELECT a.channel_no, SUM(a.members) AS members, SUM(a.grants) AS grants
    FROM (SELECT channel_no, 1 AS members, 0 AS grants FROM @leavingMembers
      UNION ALL SELECT channel_no, 0 AS members, 1 AS grants FROM @leavingGrants) AS a GROUP BY a.channel_no) AS l
  JOIN dbo.channels AS c ON c.channel_no = l.channel_no
  ${BY_KEY};
  SET @leavingRows = (SELECT COUNT(*) FROM @leavingMembers);
  DELETE m FROM @leavingMembers AS l JOIN dbo.channel_members AS m ON m.channel_no = l.channel_no AND m.agent_no = l.agent_no
  ${BY_KEY};
  ${raceUnless("@leavingRows")}  SET @leavingRows = (SELECT COUNT(*) FROM @leavingGrants);
  DELETE g FROM @leavingGrants AS l JOIN dbo.channel_grants AS g ON g.channel_no = l.channel_no AND g.grantee = l.grantee
  ${BY_KEY};
  ${raceUnless("@leavingRows")}  ${recordRows({
    ...LEAVING,
    action: "'channel.member_removed'",
    detail: MEMBER_DETAIL,
    from: "FROM @leavingMembers AS m JOIN dbo.channels AS c ON c.channel_no = m.channel_no ORDER BY c.name, m.agent_id",
  })}  ${recordRows({
    ...LEAVING,
    action: "'channel.grant_changed'",
    detail: GRANT_DETAIL,
    from: `FROM (SELECT channel_no, grantee, 0 AS may_post, 0 AS may_read, 0 AS may_manage FROM @leavingGrants) AS g
  JOIN dbo.channels AS c ON c.channel_no = g.channel_no ORDER BY c.name, g.grantee`,
  })}END;
`;
