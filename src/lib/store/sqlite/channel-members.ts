import type { ChannelMember, PutChannelGrant } from "../../model/channel.ts";
import { CHANNEL_GRANTS_MAX, CHANNEL_MEMBERS_MAX } from "../../model/limits.ts";
import { SYSTEM_ACTOR } from "../../trace/call-context.ts";
import { channelFull, granteeOf } from "../channel-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { iso } from "../instants.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged } from "../store.ts";
import { findAgent, requireRegistered } from "./agent-rows.ts";
import { recordChannel, requireChannel } from "./channels.ts";
import type { Transaction } from "./transaction.ts";

/** Who belongs to a channel, and what agents and roles may do with it. */

interface MemberRow {
  agent_id: string;
  added_at: number;
}

const MEMBERS = `SELECT a.agent_id, m.added_at FROM channel_members m JOIN agents a USING (agent_no)
  WHERE m.channel_no = ? AND a.agent_id > ? ORDER BY a.agent_id LIMIT ?`;

/** By id. @throws CHANNEL_NOT_FOUND */
export function listChannelMembers(transaction: Transaction, name: string, page: Page): Paged<ChannelMember> {
  const channel = requireChannel(transaction, name);
  const filters = { list: "channel-members", name };
  const after = String(decodeCursor(filters, page.cursor, "text")?.[0] ?? "");
  const rows = transaction.all<MemberRow>(MEMBERS, channel.channel_no, after, page.limit + 1);
  return takePage(
    rows,
    page.limit,
    (row) => ({ agentId: row.agent_id, addedAt: iso(row.added_at) }),
    (last) => encodeCursor(filters, [last.agent_id]),
  );
}

const MEMBER = "SELECT added_at FROM channel_members WHERE channel_no = ? AND agent_no = ?";
const REMOVE_MEMBER = "DELETE FROM channel_members WHERE channel_no = ? AND agent_no = ?";
const COUNT_MEMBERS = "UPDATE channels SET members = members + ? WHERE channel_no = ?";

/**
 * One that is a member already stays as it is.
 *
 * @throws CHANNEL_NOT_FOUND, AGENT_NOT_FOUND, AGENT_DEREGISTERED, INVALID_REQUEST
 */
export function addChannelMember(transaction: Transaction, name: string, agentId: string): ChannelMember {
  const channel = requireChannel(transaction, name);
  const agent = requireRegistered(transaction, agentId);
  const known = transaction.get<{ added_at: number }>(MEMBER, channel.channel_no, agent.agent_no);
  if (known !== undefined) return { agentId, addedAt: iso(known.added_at) };
  if (channel.members >= CHANNEL_MEMBERS_MAX) throw channelFull("members");
  transaction.run(COUNT_MEMBERS, 1, channel.channel_no);
  const sql = "INSERT INTO channel_members (channel_no, agent_no, added_at) VALUES (?, ?, ?)";
  transaction.run(sql, channel.channel_no, agent.agent_no, transaction.now);
  recordChannel(transaction, "channel.member_added", name, { agentId });
  return { agentId, addedAt: iso(transaction.now) };
}

/** One that is no member: nothing happens. @throws CHANNEL_NOT_FOUND */
export function removeChannelMember(transaction: Transaction, name: string, agentId: string): void {
  const channel = requireChannel(transaction, name);
  const agent = findAgent(transaction, agentId);
  if (agent === undefined || transaction.get(MEMBER, channel.channel_no, agent.agent_no) === undefined) return;
  transaction.run(COUNT_MEMBERS, -1, channel.channel_no);
  transaction.run(REMOVE_MEMBER, channel.channel_no, agent.agent_no);
  recordChannel(transaction, "channel.member_removed", name, { agentId });
}

const GRANT = "SELECT may_post, may_read, may_manage FROM channel_grants WHERE channel_no = ? AND grantee = ?";
const REMOVE_GRANT = "DELETE FROM channel_grants WHERE channel_no = ? AND grantee = ?";
const COUNT_GRANTS = "UPDATE channels SET grants = grants + ? WHERE channel_no = ?";
const PUT_GRANT = `INSERT INTO channel_grants (channel_no, grantee, agent_no, may_post, may_read, may_manage)
  VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
  SET may_post = excluded.may_post, may_read = excluded.may_read, may_manage = excluded.may_manage`;

interface StoredGrant {
  may_post: number;
  may_read: number;
  may_manage: number;
}

/**
 * Puts the grant in the place of what the agent or role had; one without any right takes that away.
 *
 * @throws CHANNEL_NOT_FOUND, AGENT_NOT_FOUND, AGENT_DEREGISTERED, INVALID_REQUEST
 */
export function putChannelGrant(transaction: Transaction, name: string, grant: PutChannelGrant): void {
  const { channel_no: channelNo, grants } = requireChannel(transaction, name);
  const { agentId, post, read, manage } = grant;
  const grantee = granteeOf(grant);
  const known = transaction.get<StoredGrant>(GRANT, channelNo, grantee);
  if (!post && !read && !manage) {
    if (known === undefined) return;
    transaction.run(COUNT_GRANTS, -1, channelNo);
    transaction.run(REMOVE_GRANT, channelNo, grantee);
    recordChannel(transaction, "channel.grant_changed", name, { grantee, post, read, manage });
    return;
  }
  const agentNo = agentId === undefined ? null : requireRegistered(transaction, agentId).agent_no;
  if (known === undefined) {
    if (grants >= CHANNEL_GRANTS_MAX) throw channelFull("grants");
    transaction.run(COUNT_GRANTS, 1, channelNo);
  } else if (same(known, grant)) return;
  transaction.run(PUT_GRANT, channelNo, grantee, agentNo, Number(post), Number(read), Number(manage));
  recordChannel(transaction, "channel.grant_changed", name, { grantee, post, read, manage });
}

function same(known: StoredGrant, { post, read, manage }: PutChannelGrant): boolean {
  return known.may_post === Number(post) && known.may_read === Number(read) && known.may_manage === Number(manage);
}

const OF_AGENT = "SELECT channel_no, name FROM channel_members JOIN channels USING (channel_no) WHERE agent_no = ?";
const GRANTS_OF_AGENT = `SELECT channel_no, name, grantee FROM channel_grants JOIN channels USING (channel_no)
  WHERE agent_no = ?`;
const NOTHING = { post: false, read: false, manage: false };

/** Takes an agent that is about to be deleted out of all channels, so that who takes its id later inherits nothing. */
export function leaveChannels(transaction: Transaction, agentNo: number, agentId: string): void {
  type Row = { channel_no: number; name: string };
  for (const { channel_no: channelNo, name } of transaction.all<Row>(OF_AGENT, agentNo)) {
    transaction.run(COUNT_MEMBERS, -1, channelNo);
    transaction.run(REMOVE_MEMBER, channelNo, agentNo);
    recordChannel(transaction, "channel.member_removed", name, { agentId }, SYSTEM_ACTOR);
  }
  for (const { channel_no: channelNo, name } of transaction.all<Row>(GRANTS_OF_AGENT, agentNo)) {
    transaction.run(COUNT_GRANTS, -1, channelNo);
    transaction.run(REMOVE_GRANT, channelNo, agentId);
    recordChannel(transaction, "channel.grant_changed", name, { grantee: agentId, ...NOTHING }, SYSTEM_ACTOR);
  }
}
