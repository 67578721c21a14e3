import type { ChannelMember, PutChannelGrant } from "../../model/channel.ts";
import type { AgentCommunicationError } from "../../model/errors.ts";
import { actorOf } from "../../trace/call-context.ts";
import { channelFull, granteeOf } from "../channel-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { iso } from "../instants.ts";
import { type AgentRefusalCode, agentRefusal, channelNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged } from "../store.ts";
import { type Batch, id, int, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";

/** Who belongs to a channel, and what agents and roles may do with it. */

const MEMBERS = procedure("list_channel_members");

/** By id. @throws CHANNEL_NOT_FOUND */
export async function listChannelMembers(
  connection: Connection,
  name: string,
  page: Page,
): Promise<Paged<ChannelMember>> {
  const filters = { list: "channel-members", name };
  const after = String(decodeCursor(filters, page.cursor, "text")?.[0] ?? "");
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

const ADD_SQL = procedure("add_channel_member");

const REMOVE_SQL = procedure("remove_channel_member");

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
const PUT_GRANT_SQL = procedure("put_channel_grant");

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
};

/**
 * Puts the grant in the place of what the agent or role had; one without any right takes that away.
 *
 * @throws CHANNEL_NOT_FOUND, AGENT_NOT_FOUND, AGENT_DEREGISTERED, INVALID_REQUEST
 */
export function putChannelGrant(connection: Connection, name: string, grant: PutChannelGrant): Promise<void> {
  return connection.run(PUT_GRANT, { ...grant, name });
}
