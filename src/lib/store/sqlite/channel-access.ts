import type { ChannelKind } from "../../model/channel.ts";
import type { ChannelAccess, ChannelReader } from "../store.ts";
import { granteesOf } from "./channels.ts";
import type { Transaction } from "./transaction.ts";

/** What somebody may do with a channel, and who belongs together. */

const ACCESS = `SELECT c.kind,
    EXISTS (SELECT 1 FROM channel_members m JOIN agents a ON a.agent_no = m.agent_no
      WHERE m.channel_no = c.channel_no AND a.agent_id = ?2) AS member,
    coalesce(max(g.may_post), 0) AS may_post, coalesce(max(g.may_read), 0) AS may_read,
    coalesce(max(g.may_manage), 0) AS may_manage
  FROM channels c LEFT JOIN channel_grants g ON g.channel_no = c.channel_no AND g.grantee IN (?2, ?3)
  WHERE c.name = ?1 GROUP BY c.channel_no`;

interface AccessRow {
  kind: ChannelKind;
  member: number;
  may_post: number;
  may_read: number;
  may_manage: number;
}

/** By membership, its grants and those of its role. */
export function findChannelAccess(
  transaction: Transaction,
  name: string,
  reader: ChannelReader,
): ChannelAccess | undefined {
  const row = transaction.get<AccessRow>(ACCESS, name, ...granteesOf(reader));
  if (row === undefined) return undefined;
  return {
    kind: row.kind,
    post: row.may_post === 1,
    read: row.member === 1 || row.may_read === 1,
    manage: row.may_manage === 1,
  };
}

const READS = `SELECT 1 WHERE EXISTS (SELECT 1 FROM channel_members m JOIN agents a ON a.agent_no = m.agent_no
    WHERE m.channel_no = ?1 AND a.agent_id = ?2)
  OR EXISTS (SELECT 1 FROM channel_grants WHERE channel_no = ?1 AND grantee IN (?2, ?3) AND may_read = 1)`;

/** Whether somebody may read a channel that is there, by membership, its grants or those of its role. */
export function mayRead(transaction: Transaction, channelNo: number, reader: ChannelReader): boolean {
  return transaction.get(READS, channelNo, ...granteesOf(reader)) !== undefined;
}

const COMMON = `SELECT 1 FROM agents a JOIN agents b ON b.agent_id = ?2
  JOIN channel_members x ON x.agent_no = a.agent_no
  JOIN channel_members y ON y.channel_no = x.channel_no AND y.agent_no = b.agent_no
  WHERE a.agent_id = ?1 LIMIT 1`;

/** Whether two agents are members of one channel. */
export function shareChannel(transaction: Transaction, agentId: string, otherId: string): boolean {
  return transaction.get(COMMON, agentId, otherId) !== undefined;
}
