import type { ChannelKind } from "../../model/channel.ts";
import type { ChannelAccess, ChannelReader } from "../store.ts";
import { id } from "./batch.ts";
import { granteesOf } from "./channels.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";

/** What somebody may do with a channel, and who belongs together. */

const ACCESS = procedure("find_channel_access");

interface AccessRow {
  kind: ChannelKind;
  member: number;
  may_post: number;
  may_read: number;
  may_manage: number;
}

/** By membership, its grants and those of its role. */
export async function findChannelAccess(
  connection: Connection,
  name: string,
  reader: ChannelReader,
): Promise<ChannelAccess | undefined> {
  const [agentId, roleGrantee] = granteesOf(reader);
  const inputs = { name: id(name), agentId: id(agentId), roleGrantee: id(roleGrantee) };
  const [row] = (await connection.query(ACCESS, inputs)).rows<AccessRow>(0);
  if (row === undefined) return undefined;
  return {
    kind: row.kind,
    post: row.may_post === 1,
    read: row.member === 1 || row.may_read === 1,
    manage: row.may_manage === 1,
  };
}

const COMMON = procedure("share_channel");

/** Whether two agents are members of one channel. */
export async function shareChannel(connection: Connection, agentId: string, otherId: string): Promise<boolean> {
  const result = await connection.query(COMMON, { agentId: id(agentId), otherId: id(otherId) });
  return result.rows<{ shared: number }>(0).length > 0;
}
