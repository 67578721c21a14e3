import type { ChannelMember } from "../model/channel.ts";
import {
  type ChannelRow,
  type GrantRow,
  granteesOf,
  readAccess,
  readChannel,
  readDetails,
  type StoredAccess,
} from "./channel-reading.ts";
import type { Decide } from "./decision.ts";
import { iso } from "./instants.ts";
import { type List, listPage, type TextRange } from "./list-page.ts";
import { channelNotFound } from "./refusals.ts";
import {
  type ChannelChange,
  decideAddMember,
  decideCreate,
  decideDelete,
  decideGrant,
  decideRemoveMember,
  type SeenChannel,
} from "./rules/channels.ts";
import type { Store } from "./store.ts";

/** The verbs of channels, over what an engine reads and writes. */

type ChannelQuery = Parameters<Store["listChannels"]>[0];

export interface MemberRow {
  agent_id: string;
  added_at: number;
}

/** What an engine does for channels. `grantees`: under which two names grants are found. */
export interface ChannelEngine {
  /** Any of the agents may be unknown. */
  decide: Decide<{ name: string; agentIds: readonly string[] }, SeenChannel, ChannelChange>;
  get(name: string): Promise<{ channel: ChannelRow; grants: readonly GrantRow[] } | undefined>;
  list(range: TextRange, query: Pick<ChannelQuery, "kind" | "reader">): Promise<readonly ChannelRow[]>;
  /** undefined: there is no such channel. */
  members(name: string, range: TextRange): Promise<readonly MemberRow[] | undefined>;
  access(name: string, grantees: readonly [string, string]): Promise<StoredAccess | undefined>;
  share: Store["shareChannel"];
}

const CHANNELS: List<ChannelRow, ReturnType<typeof readChannel>> = {
  shape: "text",
  read: readChannel,
  positionOf: ({ name }) => [name],
};
const MEMBERS: List<MemberRow, ChannelMember> = {
  shape: "text",
  read: (row) => ({ agentId: row.agent_id, addedAt: iso(row.added_at) }),
  positionOf: (row) => [row.agent_id],
};

/** The verbs of the store that are about channels, but for posts. */
export function channelVerbs(engine: ChannelEngine) {
  return {
    createChannel(call) {
      const { name, members, grants, creator } = call;
      const agentIds = [...members, ...grants.flatMap(({ agentId }) => agentId ?? []), creator];
      return engine.decide({ name, agentIds }, (seen, deciding) => decideCreate(call, seen, deciding));
    },
    async getChannel(name) {
      const found = await engine.get(name);
      if (found === undefined) throw channelNotFound(name);
      return readDetails(found.channel, found.grants);
    },
    async listChannels({ kind, reader, ...page }) {
      const { after, rows, take } = listPage(CHANNELS, { list: "channels", kind, reader }, page);
      return take(await engine.list({ after: String(after?.[0] ?? ""), rows }, { kind, reader }));
    },
    deleteChannel: (name) => engine.decide({ name, agentIds: [] }, (seen) => decideDelete(name, seen)),
    async listChannelMembers(name, page) {
      const { after, rows, take } = listPage(MEMBERS, { list: "channel-members", name }, page);
      const members = await engine.members(name, { after: String(after?.[0] ?? ""), rows });
      if (members === undefined) throw channelNotFound(name);
      return take(members);
    },
    addChannelMember: (name, agentId) =>
      engine.decide({ name, agentIds: [agentId] }, (seen, deciding) => decideAddMember(name, agentId, seen, deciding)),
    removeChannelMember: (name, agentId) =>
      engine.decide({ name, agentIds: [agentId] }, (seen) => decideRemoveMember(name, agentId, seen)),
    putChannelGrant(name, grant) {
      const agentIds = grant.agentId === undefined ? [] : [grant.agentId];
      return engine.decide({ name, agentIds }, (seen) => decideGrant(name, grant, seen));
    },
    async findChannelAccess(name, reader) {
      const row = await engine.access(name, granteesOf(reader));
      return row === undefined ? undefined : readAccess(row);
    },
    shareChannel: engine.share,
  } satisfies Partial<Store>;
}
