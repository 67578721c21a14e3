import type { AuditAction, AuditDetail } from "../../model/audit.ts";
import type { Channel, ChannelDetails, ChannelKind } from "../../model/channel.ts";
import {
  CHANNEL_HEARTBEAT_AT,
  CHANNEL_ROLE,
  type ChannelRow,
  channelBeingEmptied,
  channelTaken,
  type GrantRow,
  granteeOf,
  mailboxOf,
  readChannel,
  readDetails,
} from "../channel-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { channelNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { ChannelReader, NewChannel, Page, Paged } from "../store.ts";
import { AGENT_COLUMNS, type AgentRow, findAgent, requireRegistered, writeAgent } from "./agent-rows.ts";
import { audit } from "./audit.ts";
import { internCapabilitySet } from "./capability-sets.ts";
import type { Transaction } from "./transaction.ts";

/** Channels: making, reading and deleting them. */

const COLUMNS = "channel_no, name, kind, description, created_by, created_at, members";
const BY_NAME = `SELECT ${COLUMNS}, request_hash, grants FROM channels WHERE name = ?`;

/** A channel with what only the store looks at. */
export interface StoredChannel extends ChannelRow {
  request_hash: string;
  grants: number;
}

function findChannel(transaction: Transaction, name: string): StoredChannel | undefined {
  return transaction.get<StoredChannel>(BY_NAME, name);
}

/** @throws CHANNEL_NOT_FOUND */
export function requireChannel(transaction: Transaction, name: string): StoredChannel {
  const channel = findChannel(transaction, name);
  if (channel === undefined) throw channelNotFound(name);
  return channel;
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

/** Records a change of a channel. */
export function recordChannel(
  transaction: Transaction,
  action: Extract<AuditAction, `channel.${string}`>,
  name: string,
  detail: AuditDetail,
  actor?: string,
): void {
  audit(transaction, { actor, action, subjectKind: "channel", subjectId: name, detail });
}

const INSERT = `INSERT INTO channels (channel_no, name, kind, description, created_by, created_at, request_hash, members, grants)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const INSERT_MEMBER = "INSERT INTO channel_members (channel_no, agent_no, added_at) VALUES (?, ?, ?)";
const INSERT_GRANT = `INSERT INTO channel_grants (channel_no, grantee, agent_no, may_post, may_read, may_manage)
  VALUES (?, ?, ?, ?, ?, ?)`;

/**
 * Makes a channel with its members and grants. The same again by the same creator: the channel as it is now.
 *
 * @throws ID_TAKEN, AGENT_NOT_FOUND, AGENT_DEREGISTERED
 */
export function createChannel(
  transaction: Transaction,
  input: NewChannel,
): { channel: ChannelDetails; created: boolean } {
  const { name, creator } = input;
  const known = findChannel(transaction, name);
  if (known !== undefined) {
    if (known.created_by !== creator || known.request_hash !== input.requestHash) throw channelTaken(name);
    return { channel: details(transaction, known), created: false };
  }
  const grants = grantsToWrite(transaction, input);
  const members = [...new Set(input.members)].map((agentId) => requireRegistered(transaction, agentId));
  const mailbox = findAgent(transaction, mailboxOf(name));
  if (mailbox !== undefined && transaction.mailboxDepth(mailbox.agent_no) > 0) throw channelBeingEmptied(name);
  const { agent_no: channelNo } =
    mailbox === undefined ? insertMailbox(transaction, name) : revive(transaction, mailbox);
  transaction.run(
    INSERT,
    channelNo,
    name,
    input.kind,
    input.description ?? null,
    creator,
    transaction.now,
    input.requestHash,
    members.length,
    grants.length,
  );
  const detail = { kind: input.kind, members: members.length, grants: grants.length };
  recordChannel(transaction, "channel.created", name, detail);
  for (const { agent_no: agentNo, agent_id: agentId } of members) {
    transaction.run(INSERT_MEMBER, channelNo, agentNo, transaction.now);
    recordChannel(transaction, "channel.member_added", name, { agentId });
  }
  for (const { agentNo, grantee, post, read, manage } of grants) {
    transaction.run(INSERT_GRANT, channelNo, grantee, agentNo, Number(post), Number(read), Number(manage));
    recordChannel(transaction, "channel.grant_changed", name, { grantee, post, read, manage });
  }
  return { channel: details(transaction, requireChannel(transaction, name)), created: true };
}

interface GrantToWrite {
  grantee: string;
  /** null: a role. */
  agentNo: number | null;
  post: boolean;
  read: boolean;
  manage: boolean;
}

/** Those of the request that grant anything, and the creator's. @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
function grantsToWrite(transaction: Transaction, input: NewChannel): GrantToWrite[] {
  const grants = new Map<string, GrantToWrite>();
  for (const { agentId, role, ...rights } of input.grants) {
    if (!rights.post && !rights.read && !rights.manage) continue;
    const agentNo = agentId === undefined ? null : requireRegistered(transaction, agentId).agent_no;
    const grantee = granteeOf({ agentId, role });
    grants.set(grantee, { grantee, agentNo, ...rights });
  }
  const creator = input.creatorMustBeRegistered
    ? requireRegistered(transaction, input.creator)
    : findAgent(transaction, input.creator);
  if (creator !== undefined && creator.status !== "deregistered") {
    const { agent_id: grantee, agent_no: agentNo } = creator;
    grants.set(grantee, { grantee, agentNo, post: true, read: true, manage: true });
  }
  return [...grants.values()];
}

const INSERT_MAILBOX = `INSERT INTO agents (agent_id, role, status, set_no, max_concurrent_tasks, registered_at,
  last_heartbeat_at, status_changed_at) VALUES (?, ?, 'active', ?, 0, ?, ?, ?) RETURNING ${AGENT_COLUMNS}`;

/** No count changes: a mailbox is no agent. */
function insertMailbox(transaction: Transaction, name: string): AgentRow {
  const { now } = transaction;
  const setNo = internCapabilitySet(transaction, []);
  const parameters = [mailboxOf(name), CHANNEL_ROLE, setNo, now, CHANNEL_HEARTBEAT_AT, now];
  const mailbox = transaction.get<AgentRow>(INSERT_MAILBOX, ...parameters);
  if (mailbox === undefined) throw new Error("the new mailbox's row was not returned");
  return mailbox;
}

/** The mailbox of a deleted channel of that name. */
function revive(transaction: Transaction, mailbox: AgentRow): AgentRow {
  writeAgent(transaction, mailbox, { status: "active" });
  return mailbox;
}

const GRANTS = "SELECT grantee, may_post, may_read, may_manage FROM channel_grants WHERE channel_no = ?";

function details(transaction: Transaction, channel: ChannelRow): ChannelDetails {
  return readDetails(channel, transaction.all<GrantRow>(GRANTS, channel.channel_no));
}

/** @throws CHANNEL_NOT_FOUND */
export function getChannel(transaction: Transaction, name: string): ChannelDetails {
  return details(transaction, requireChannel(transaction, name));
}

/** What somebody may read: by membership, by a grant of its own, by one of its role. */
const READABLE = `channel_no IN (
  SELECT m.channel_no FROM channel_members m JOIN agents a ON a.agent_no = m.agent_no WHERE a.agent_id = ?
  UNION ALL SELECT g.channel_no FROM channel_grants g WHERE g.grantee IN (?, ?) AND g.may_read = 1)`;

/** By name. */
export function listChannels(
  transaction: Transaction,
  query: Page & { kind?: ChannelKind | undefined; reader?: ChannelReader | undefined },
): Paged<Channel> {
  const { kind, reader, limit } = query;
  const filters = { list: "channels", kind, reader };
  const where = ["name > ?"];
  const parameters: (string | number)[] = [String(decodeCursor(filters, query.cursor, "text")?.[0] ?? "")];
  if (kind !== undefined) where.push("kind = ?") && parameters.push(kind);
  if (reader !== undefined) {
    where.push(READABLE);
    parameters.push(reader.agentId, ...granteesOf(reader));
  }
  const sql = `SELECT ${COLUMNS} FROM channels WHERE ${where.join(" AND ")} ORDER BY name LIMIT ?`;
  const rows = transaction.all<ChannelRow>(sql, ...parameters, limit + 1);
  return takePage(rows, limit, readChannel, (last) => encodeCursor(filters, [last.name]));
}

/** Under which two names grants are found; without a role both are the agent's. */
export function granteesOf({ agentId, role }: ChannelReader): [string, string] {
  return [agentId, role === undefined ? agentId : granteeOf({ role })];
}

/** With its members and grants; what is left in its mailbox is the sweep's. @returns whether there was one */
export function deleteChannel(transaction: Transaction, name: string): boolean {
  const channel = findChannel(transaction, name);
  if (channel === undefined) return false;
  transaction.run("DELETE FROM channels WHERE channel_no = ?", channel.channel_no);
  writeAgent(transaction, requireRegistered(transaction, mailboxOf(name)), { status: "deregistered" });
  const { kind, members, grants } = channel;
  recordChannel(transaction, "channel.deleted", name, { kind, members, grants });
  return true;
}
