import type { ChannelKind } from "../../model/channel.ts";
import { SYSTEM_ACTOR } from "../../trace/call-context.ts";
import {
  CHANNEL_HEARTBEAT_AT,
  CHANNEL_ROLE,
  type ChannelRow,
  type GrantRow,
  granteesOf,
  mailboxOf,
  type StoredAccess,
} from "../channel-reading.ts";
import type { ChannelEngine, MemberRow } from "../channel-verbs.ts";
import { channelNotFound } from "../refusals.ts";
import {
  type ChannelChange,
  channelEntry,
  grantEntry,
  type NewGrant,
  type SeenChannel,
  type StoredChannel,
} from "../rules/channels.ts";
import type { ChannelReader } from "../store.ts";
import { AGENT_COLUMNS, type AgentRow, findAgent, requireRegistered, writeAgent } from "./agent-rows.ts";
import { audit } from "./audit.ts";
import { internCapabilitySet } from "./capability-sets.ts";
import type { Connection } from "./connection.ts";
import { decideBy } from "./decide.ts";
import type { Transaction } from "./transaction.ts";

/** Channels, their members and grants: rows that are read, and rows that rules/channels.ts wants written. */

const COLUMNS = "channel_no, name, kind, description, created_by, created_at, members";
const BY_NAME = `SELECT ${COLUMNS}, request_hash, grants FROM channels WHERE name = ?`;
const GRANTS = "SELECT grantee, may_post, may_read, may_manage FROM channel_grants WHERE channel_no = ?";
const MEMBER = "SELECT added_at FROM channel_members WHERE channel_no = ? AND agent_no = ?";

/** What somebody may read: by membership, by a grant of its own, by one of its role. */
const LIST = `SELECT ${COLUMNS} FROM channels WHERE name > ?1 AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR channel_no IN (
  SELECT m.channel_no FROM channel_members m JOIN agents a ON a.agent_no = m.agent_no WHERE a.agent_id = ?3
  UNION ALL SELECT g.channel_no FROM channel_grants g WHERE g.grantee IN (?3, ?4) AND g.may_read = 1)) ORDER BY name LIMIT ?5`;
const MEMBERS = `SELECT a.agent_id, m.added_at FROM channel_members m JOIN agents a USING (agent_no)
  WHERE m.channel_no = ? AND a.agent_id > ? ORDER BY a.agent_id LIMIT ?`;
const ACCESS = `SELECT c.kind,
    EXISTS (SELECT 1 FROM channel_members m JOIN agents a ON a.agent_no = m.agent_no
      WHERE m.channel_no = c.channel_no AND a.agent_id = ?2) AS member,
    coalesce(max(g.may_post), 0) AS may_post, coalesce(max(g.may_read), 0) AS may_read,
    coalesce(max(g.may_manage), 0) AS may_manage
  FROM channels c LEFT JOIN channel_grants g ON g.channel_no = c.channel_no AND g.grantee IN (?2, ?3)
  WHERE c.name = ?1 GROUP BY c.channel_no`;
const SHARED = `SELECT 1 FROM agents a JOIN agents b ON b.agent_id = ?2
  JOIN channel_members x ON x.agent_no = a.agent_no
  JOIN channel_members y ON y.channel_no = x.channel_no AND y.agent_no = b.agent_no
  WHERE a.agent_id = ?1 LIMIT 1`;

/** What the verbs of channels read and write. */
export function channelEngine(connection: Connection): ChannelEngine {
  const find = (tx: Transaction, name: string) => tx.get<StoredChannel>(BY_NAME, name);
  return {
    decide: decideBy(connection, { see: seeChannel, write: writeChannel }),
    get: (name) =>
      connection.read((tx) => {
        const channel = find(tx, name);
        return channel && { channel, grants: tx.all<GrantRow>(GRANTS, channel.channel_no) };
      }),
    list: ({ after, rows }, { kind = null, reader }) => {
      const grantees = reader === undefined ? [null, null] : granteesOf(reader);
      return connection.read((tx) => tx.all<ChannelRow>(LIST, after, kind, ...grantees, rows));
    },
    members: (name, { after, rows }) =>
      connection.read((tx) => {
        const channel = find(tx, name);
        return channel && tx.all<MemberRow>(MEMBERS, channel.channel_no, after, rows);
      }),
    access: (name, grantees) => connection.read((tx) => tx.get<StoredAccess>(ACCESS, name, ...grantees)),
    share: (agentId, otherId) => connection.read((tx) => tx.get(SHARED, agentId, otherId) !== undefined),
  };
}

function seeChannel(transaction: Transaction, { name }: { name: string }): SeenChannel {
  const channel = transaction.get<StoredChannel>(BY_NAME, name);
  const channelNo = channel?.channel_no ?? 0;
  const mailbox = findAgent(transaction, mailboxOf(name));
  return {
    channel,
    grants: transaction.all<GrantRow>(GRANTS, channelNo),
    agent: (agentId) => findAgent(transaction, agentId),
    memberSince(agentId) {
      const agent = findAgent(transaction, agentId);
      return agent && transaction.get<{ added_at: number }>(MEMBER, channelNo, agent.agent_no)?.added_at;
    },
    mailbox: mailbox && { agent_no: mailbox.agent_no, waiting: transaction.mailboxes.depth(mailbox.agent_no) > 0 },
  };
}

const INSERT = `INSERT INTO channels (channel_no, name, kind, description, created_by, created_at, request_hash, members, grants)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const INSERT_MEMBER = "INSERT INTO channel_members (channel_no, agent_no, added_at) VALUES (?, ?, ?)";
const REMOVE_MEMBER = "DELETE FROM channel_members WHERE channel_no = ? AND agent_no = ?";
const COUNT = "UPDATE channels SET members = members + ?, grants = grants + ? WHERE channel_no = ?";
const INSERT_GRANT = `INSERT INTO channel_grants (channel_no, grantee, agent_no, may_post, may_read, may_manage)
  VALUES (?, ?, ?, ?, ?, ?)`;
const REMOVE_GRANT = "DELETE FROM channel_grants WHERE channel_no = ? AND grantee = ?";

function writeChannel(transaction: Transaction, change: ChannelChange, { name }: { name: string }): void {
  switch (change.step) {
    case "create":
      create(transaction, change);
      return;
    case "member":
      transaction.run(COUNT, change.adds ? 1 : -1, 0, change.channelNo);
      if (change.adds) transaction.run(INSERT_MEMBER, change.channelNo, change.agentNo, transaction.now);
      else transaction.run(REMOVE_MEMBER, change.channelNo, change.agentNo);
      return;
    case "grant":
      transaction.run(COUNT, 0, Number(change.has) - Number(change.had), change.channelNo);
      if (change.had) transaction.run(REMOVE_GRANT, change.channelNo, change.grant.grantee);
      if (change.has) insertGrant(transaction, change.channelNo, change.grant);
      return;
    case "delete":
      transaction.run("DELETE FROM channels WHERE channel_no = ?", change.channelNo);
      writeAgent(transaction, requireRegistered(transaction, mailboxOf(name)), { status: "deregistered" });
  }
}

type Creation = Extract<ChannelChange, { step: "create" }>;

function create(transaction: Transaction, { channel, members, grants }: Creation): void {
  const { name, kind, description, created_by, created_at, request_hash } = channel;
  const { agent_no: channelNo } = makeMailbox(transaction, name);
  const counts = [channel.members, channel.grants];
  transaction.run(INSERT, channelNo, name, kind, description, created_by, created_at, request_hash, ...counts);
  for (const agentNo of members) transaction.run(INSERT_MEMBER, channelNo, agentNo, transaction.now);
  for (const grant of grants) insertGrant(transaction, channelNo, grant);
}

function insertGrant(transaction: Transaction, channelNo: number, grant: NewGrant): void {
  const rights = [grant.may_post, grant.may_read, grant.may_manage].map(Number);
  transaction.run(INSERT_GRANT, channelNo, grant.grantee, grant.agent_no, ...rights);
}

const INSERT_MAILBOX = `INSERT INTO agents (agent_id, role, status, set_no, max_concurrent_tasks, registered_at,
  last_heartbeat_at, status_changed_at) VALUES (?, ?, 'active', ?, 0, ?, ?, ?) RETURNING ${AGENT_COLUMNS}`;

/** A new one, or that of a deleted channel of the name. No count changes: a mailbox is no agent. */
function makeMailbox(transaction: Transaction, name: string): AgentRow {
  const left = findAgent(transaction, mailboxOf(name));
  if (left !== undefined) {
    writeAgent(transaction, left, { status: "active" });
    return left;
  }
  const { now } = transaction;
  const setNo = internCapabilitySet(transaction, []);
  const parameters = [mailboxOf(name), CHANNEL_ROLE, setNo, now, CHANNEL_HEARTBEAT_AT, now];
  const mailbox = transaction.get<AgentRow>(INSERT_MAILBOX, ...parameters);
  if (mailbox === undefined) throw new Error("the new mailbox's row was not returned");
  return mailbox;
}

/** The mailbox of a work queue. @throws CHANNEL_NOT_FOUND when there is no work queue of that name */
export function requireQueue(transaction: Transaction, name: string): AgentRow {
  const mailbox = requireRegistered(transaction, mailboxOf(name));
  refuseUnlessOf(transaction, "work_queue", mailbox, name);
  return mailbox;
}

const KIND = "SELECT kind FROM channels WHERE channel_no = ?";

/** @throws CHANNEL_NOT_FOUND for a channel of the other kind */
export function refuseUnlessOf(transaction: Transaction, kind: ChannelKind, mailbox: AgentRow, name: string): void {
  if (transaction.get<{ kind: ChannelKind }>(KIND, mailbox.agent_no)?.kind !== kind) throw channelNotFound(name);
}

const READS = `SELECT 1 WHERE EXISTS (SELECT 1 FROM channel_members m JOIN agents a ON a.agent_no = m.agent_no
    WHERE m.channel_no = ?1 AND a.agent_id = ?2)
  OR EXISTS (SELECT 1 FROM channel_grants WHERE channel_no = ?1 AND grantee IN (?2, ?3) AND may_read = 1)`;

/** Whether somebody may read a channel that is there, by membership, its grants or those of its role. */
export function mayRead(transaction: Transaction, channelNo: number, reader: ChannelReader): boolean {
  return transaction.get(READS, channelNo, ...granteesOf(reader)) !== undefined;
}

const OF_AGENT = "SELECT channel_no, name FROM channel_members JOIN channels USING (channel_no) WHERE agent_no = ?";
const GRANTS_OF_AGENT =
  "SELECT channel_no, name FROM channel_grants JOIN channels USING (channel_no) WHERE agent_no = ?";
const NOTHING = { may_post: 0, may_read: 0, may_manage: 0 };

/** Takes an agent that is about to be deleted out of all channels, so that who takes its id later inherits nothing. */
export function leaveChannels(transaction: Transaction, agentNo: number, agentId: string): void {
  type Row = { channel_no: number; name: string };
  const actor = SYSTEM_ACTOR;
  for (const { channel_no: channelNo, name } of transaction.all<Row>(OF_AGENT, agentNo)) {
    transaction.run(COUNT, -1, 0, channelNo);
    transaction.run(REMOVE_MEMBER, channelNo, agentNo);
    audit(transaction, { ...channelEntry("channel.member_removed", name, { agentId }), actor });
  }
  for (const { channel_no: channelNo, name } of transaction.all<Row>(GRANTS_OF_AGENT, agentNo)) {
    transaction.run(COUNT, 0, -1, channelNo);
    transaction.run(REMOVE_GRANT, channelNo, agentId);
    audit(transaction, { ...grantEntry(name, { grantee: agentId, ...NOTHING }), actor });
  }
}
