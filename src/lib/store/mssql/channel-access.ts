import type { ChannelKind } from "../../channels/channel.ts";
import type { ChannelAccess, ChannelReader } from "../store.ts";
import { id } from "./batch.ts";
import { granteesOf } from "./channels.ts";
import type { Connection } from "./connection.ts";
import { sqlText } from "./texts.ts";

/** What somebody may do with a channel, and who belongs together. */

const ACCESS = sqlText(
  "find-channel-access",
  `SELECT c.kind,
  CASE WHEN EXISTS (SELECT 1 FROM dbo.agents AS a JOIN dbo.channel_members AS m ON m.agent_no = a.agent_no
    WHERE a.agent_id = @agentId AND m.channel_no = c.channel_no) THEN 1 ELSE 0 END AS member,
  g.may_post, g.may_read, g.may_manage
FROM dbo.channels AS c
CROSS APPLY (SELECT COALESCE(MAX(CAST(x.may_post AS int)), 0) AS may_post, COALESCE(MAX(CAST(x.may_read AS int)), 0) AS may_read,
    COALESCE(MAX(CAST(x.may_manage AS int)), 0) AS may_manage
  FROM dbo.channel_grants AS x WHERE x.channel_no = c.channel_no AND x.grantee IN (@agentId, @roleGrantee)) AS g
WHERE c.name = @name;
`,
);

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

const COMMON = sqlText(
  "share-channel",
  `SELECT TOP (1) 1 AS shared FROM dbo.agents AS a JOIN dbo.channel_members AS x ON x.agent_no = a.agent_no
JOIN dbo.channel_members AS y ON y.channel_no = x.channel_no
JOIN dbo.agents AS b ON b.agent_no = y.agent_no
WHERE a.agent_id = @agentId AND b.agent_id = @otherId;
`,
);

/** Whether two agents are members of one channel. */
export async function shareChannel(connection: Connection, agentId: string, otherId: string): Promise<boolean> {
  const result = await connection.query(COMMON, { agentId: id(agentId), otherId: id(otherId) });
  return result.rows<{ shared: number }>(0).length > 0;
}
