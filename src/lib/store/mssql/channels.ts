import type { AgentStatus } from "../../model/agent.ts";
import { capabilitiesHash } from "../capabilities.ts";
import { type ChannelRow, type GrantRow, granteesOf, type StoredAccess } from "../channel-reading.ts";
import type { ChannelEngine, MemberRow } from "../channel-verbs.ts";
import type { ChannelChange, SeenChannel, StoredChannel } from "../rules/channels.ts";
import { type BatchResult, bit, hash, type Inputs, id, int, text, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { decideBy, type Subject } from "./decide.ts";
import { procedure } from "./procedures.ts";

/** Channels, their members and grants: rows that are read, and rows that rules/channels.ts wants written. */

const GET = procedure("get_channel");
const LIST = procedure("list_channels");
const MEMBERS = procedure("list_channel_members");
const ACCESS = procedure("find_channel_access");
const SHARED = procedure("share_channel");

/** What the verbs of channels read and write. */
export function channelEngine(connection: Connection): ChannelEngine {
  return {
    decide: decideBy(connection, CHANNELS),
    async get(name) {
      const result = await connection.query(GET, { name: id(name) });
      const [channel] = result.rows<ChannelRow>(0);
      return channel && { channel, grants: result.rows<GrantRow>(1) };
    },
    async list({ after, rows }, { kind = null, reader }) {
      const [agentId, roleGrantee] = reader === undefined ? [null, null] : granteesOf(reader);
      const filter = { kind: word(kind), agentId: id(agentId), roleGrantee: id(roleGrantee) };
      return (await connection.query(LIST, { ...filter, rows: int(rows), after: id(after) })).rows<ChannelRow>(0);
    },
    async members(name, { after, rows }) {
      const result = await connection.query(MEMBERS, { name: id(name), after: id(after), rows: int(rows) });
      const [channel] = result.rows<{ channel_no: number | null }>(0);
      return channel?.channel_no == null ? undefined : result.rows<MemberRow>(1);
    },
    async access(name, [agentId, roleGrantee]) {
      const inputs = { name: id(name), agentId: id(agentId), roleGrantee: id(roleGrantee) };
      return (await connection.query(ACCESS, inputs)).rows<StoredAccess>(0)[0];
    },
    async share(agentId, otherId) {
      const result = await connection.query(SHARED, { agentId: id(agentId), otherId: id(otherId) });
      return result.rows<{ shared: number }>(0).length > 0;
    },
  };
}

const CREATE = procedure("create_channel");
const CHANGE = procedure("change_channel");
const DELETE = procedure("delete_channel");

interface Ask {
  name: string;
  agentIds: readonly string[];
}

const CHANNELS: Subject<Ask, SeenChannel, ChannelChange> = {
  name: "channels",
  read: procedure("read_channel"),
  ask: ({ name, agentIds }) => ({ name: id(name), agents: text(JSON.stringify(agentIds)) }),
  see: seeChannel,
  write: writeChannel,
  key: ({ name }) => name,
};

interface AgentRow {
  agent_id: string;
  agent_no: number;
  status: AgentStatus;
  added_at: number | null;
}

function seeChannel(result: BatchResult): SeenChannel {
  const [channel] = result.rows<StoredChannel>(1);
  const agents = new Map(result.rows<AgentRow>(3).map((row) => [row.agent_id, row]));
  const [mailbox] = result.rows<{ agent_no: number; waiting: number }>(4);
  return {
    channel,
    grants: result.rows<GrantRow>(2),
    agent: (agentId) => agents.get(agentId),
    memberSince: (agentId) => agents.get(agentId)?.added_at ?? undefined,
    mailbox: mailbox && { agent_no: mailbox.agent_no, waiting: mailbox.waiting === 1 },
  };
}

function writeChannel(change: ChannelChange): ReturnType<typeof CHANNELS.write> {
  if (change.step === "create") return { sql: CREATE, inputs: creation(change) };
  const { channelNo, was } = change;
  const seen = { channelNo: int(channelNo), wereMembers: int(was.members), wereGrants: int(was.grants) };
  if (change.step === "delete") return { sql: DELETE, inputs: seen };
  const member = change.step === "member" ? change : undefined;
  const { grant, had = false, has = false } = change.step === "grant" ? change : {};
  return {
    sql: CHANGE,
    inputs: {
      ...seen,
      addedMembers: int(member === undefined ? 0 : member.adds ? 1 : -1),
      agentNo: int(member?.agentNo ?? grant?.agent_no ?? null),
      grantee: id(grant?.grantee ?? null),
      had: bit(had),
      has: bit(has),
      mayPost: bit(Boolean(grant?.may_post)),
      mayRead: bit(Boolean(grant?.may_read)),
      mayManage: bit(Boolean(grant?.may_manage)),
    },
  };
}

function creation({ channel, mailboxNo, members, grants }: Extract<ChannelChange, { step: "create" }>): Inputs {
  return {
    name: id(channel.name),
    kind: word(channel.kind),
    description: text(channel.description),
    creator: id(channel.created_by),
    requestHash: hash(channel.request_hash),
    setHash: hash(capabilitiesHash([])),
    mailboxNo: int(mailboxNo ?? null),
    members: text(JSON.stringify(members)),
    grants: text(JSON.stringify(grants)),
  };
}
