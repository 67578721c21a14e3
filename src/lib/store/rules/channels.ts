import type { AgentStatus } from "../../model/agent.ts";
import type { AuditDetail, NewAuditEntry } from "../../model/audit.ts";
import type { ChannelDetails, ChannelMember, PutChannelGrant } from "../../model/channel.ts";
import { CHANNEL_GRANTS_MAX, CHANNEL_MEMBERS_MAX } from "../../model/limits.ts";
import type { NewChannel } from "../calls.ts";
import {
  type ChannelRow,
  channelBeingEmptied,
  channelFull,
  channelTaken,
  type GrantRow,
  granteeOf,
  readDetails,
} from "../channel-reading.ts";
import type { Deciding, Decision } from "../decision.ts";
import { iso } from "../instants.ts";
import { agentDeregistered, agentNotFound, channelNotFound } from "../refusals.ts";

/** What channels, their members and grants become, and what is refused. */

/** A channel with what only the store looks at. */
export interface StoredChannel extends ChannelRow {
  request_hash: string;
  grants: number;
}

/** What is read before a channel changes. */
export interface SeenChannel {
  channel: StoredChannel | undefined;
  grants: readonly GrantRow[];
  /** An agent that the call names; undefined: there is none. */
  agent(agentId: string): { agent_no: number; status: AgentStatus } | undefined;
  /** Since when an agent that the call names is a member. */
  memberSince(agentId: string): number | undefined;
  /** What a channel of that name has left behind, or has. */
  mailbox: { agent_no: number; waiting: boolean } | undefined;
}

/** A grant to be written. `agent_no` null: of a role. */
export interface NewGrant extends GrantRow {
  agent_no: number | null;
}

/** The rows to write. `was`: how many members and grants there were. */
export type ChannelChange =
  | {
      step: "create";
      /** Its number is that of the mailbox; without one it gets a new one. */
      channel: Omit<StoredChannel, "channel_no">;
      mailboxNo: number | undefined;
      members: readonly number[];
      grants: readonly NewGrant[];
    }
  | ({ step: "member"; agentNo: number; adds: boolean } & OfChannel)
  | ({ step: "grant"; grant: NewGrant; had: boolean; has: boolean } & OfChannel)
  | ({ step: "delete" } & OfChannel);

interface OfChannel {
  channelNo: number;
  was: { members: number; grants: number };
}

type ChannelDecision<Answer> = Decision<Answer, ChannelChange>;

function ofChannel({ channel_no: channelNo, members, grants }: StoredChannel): OfChannel {
  return { channelNo, was: { members, grants } };
}

function requireChannel({ channel }: SeenChannel, name: string): StoredChannel {
  if (channel === undefined) throw channelNotFound(name);
  return channel;
}

function requireRegistered(seen: SeenChannel, agentId: string): number {
  const agent = seen.agent(agentId);
  if (agent === undefined) throw agentNotFound(agentId);
  if (agent.status === "deregistered") throw agentDeregistered(agentId);
  return agent.agent_no;
}

type ChannelAction = Extract<NewAuditEntry["action"], `channel.${string}`>;

/** The entry of the audit about a change of a channel. */
export function channelEntry(action: ChannelAction, name: string, detail: AuditDetail): NewAuditEntry {
  return { action, subjectKind: "channel", subjectId: name, detail };
}

/** The entry about what somebody may do from now on. */
export function grantEntry(name: string, grant: GrantRow): NewAuditEntry {
  const { grantee, may_post: post, may_read: read, may_manage: manage } = grant;
  const rights = { post: Boolean(post), read: Boolean(read), manage: Boolean(manage) };
  return channelEntry("channel.grant_changed", name, { grantee, ...rights });
}

/** @throws ID_TAKEN, AGENT_NOT_FOUND, AGENT_DEREGISTERED */
export function decideCreate(
  call: NewChannel,
  seen: SeenChannel,
  { now }: Deciding,
): ChannelDecision<{ channel: ChannelDetails; created: boolean }> {
  const { name, kind, creator, requestHash } = call;
  const known = seen.channel;
  if (known !== undefined) {
    if (known.created_by !== creator || known.request_hash !== requestHash) throw channelTaken(name);
    return { answer: { channel: readDetails(known, seen.grants), created: false } };
  }
  const grants = grantsToWrite(call, seen);
  const memberIds = [...new Set(call.members)];
  const members = memberIds.map((agentId) => requireRegistered(seen, agentId));
  if (seen.mailbox?.waiting === true) throw channelBeingEmptied(name);
  const counts = { members: members.length, grants: grants.length };
  const channel = {
    name,
    kind,
    description: call.description ?? null,
    created_by: creator,
    created_at: now,
    request_hash: requestHash,
    ...counts,
  };
  return {
    answer: { channel: readDetails(channel, grants), created: true },
    change: { step: "create", channel, mailboxNo: seen.mailbox?.agent_no, members, grants },
    entries: [
      channelEntry("channel.created", name, { kind, ...counts }),
      ...memberIds.map((agentId) => channelEntry("channel.member_added", name, { agentId })),
      ...grants.map((grant) => grantEntry(name, grant)),
    ],
  };
}

/** Those of the request that grant anything, and the creator's. @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
function grantsToWrite(call: NewChannel, seen: SeenChannel): NewGrant[] {
  const grants = new Map<string, NewGrant>();
  for (const grant of call.grants) {
    const written = grantRow(grant);
    if (!grantsAnything(written)) continue;
    const agent_no = grant.agentId === undefined ? null : requireRegistered(seen, grant.agentId);
    grants.set(written.grantee, { ...written, agent_no });
  }
  const { creator, creatorMustBeRegistered } = call;
  const isThere = (seen.agent(creator)?.status ?? "deregistered") !== "deregistered";
  if (creatorMustBeRegistered || isThere) {
    const agent_no = requireRegistered(seen, creator);
    grants.set(creator, { grantee: creator, agent_no, may_post: true, may_read: true, may_manage: true });
  }
  return [...grants.values()];
}

function grantRow(grant: PutChannelGrant): GrantRow {
  return { grantee: granteeOf(grant), may_post: grant.post, may_read: grant.read, may_manage: grant.manage };
}

/** The rights as one number, 0: none. */
function rightsOf({ may_post: post, may_read: read, may_manage: manage }: GrantRow): number {
  return Number(post) + 2 * Number(read) + 4 * Number(manage);
}

function grantsAnything(grant: GrantRow): boolean {
  return rightsOf(grant) > 0;
}

/** With its members and grants; what is left in its mailbox is the sweep's. The answer: whether there was one. */
export function decideDelete(name: string, { channel }: SeenChannel): ChannelDecision<boolean> {
  if (channel === undefined) return { answer: false };
  const { kind, members, grants } = channel;
  return {
    answer: true,
    change: { step: "delete", ...ofChannel(channel) },
    entries: [channelEntry("channel.deleted", name, { kind, members, grants })],
  };
}

/** One that is a member already stays as it is. @throws CHANNEL_NOT_FOUND, AGENT_NOT_FOUND, AGENT_DEREGISTERED, INVALID_REQUEST */
export function decideAddMember(
  name: string,
  agentId: string,
  seen: SeenChannel,
  { now }: Deciding,
): ChannelDecision<ChannelMember> {
  const channel = requireChannel(seen, name);
  const agentNo = requireRegistered(seen, agentId);
  const since = seen.memberSince(agentId);
  if (since !== undefined) return { answer: { agentId, addedAt: iso(since) } };
  if (channel.members >= CHANNEL_MEMBERS_MAX) throw channelFull("members");
  return {
    answer: { agentId, addedAt: iso(now) },
    change: { step: "member", ...ofChannel(channel), agentNo, adds: true },
    entries: [channelEntry("channel.member_added", name, { agentId })],
  };
}

/** One that is no member: nothing happens. @throws CHANNEL_NOT_FOUND */
export function decideRemoveMember(name: string, agentId: string, seen: SeenChannel): ChannelDecision<void> {
  const channel = requireChannel(seen, name);
  const agent = seen.agent(agentId);
  if (agent === undefined || seen.memberSince(agentId) === undefined) return { answer: undefined };
  return {
    answer: undefined,
    change: { step: "member", ...ofChannel(channel), agentNo: agent.agent_no, adds: false },
    entries: [channelEntry("channel.member_removed", name, { agentId })],
  };
}

/**
 * Puts the grant in the place of what the agent or role had; one without any right takes that away, and needs no agent.
 *
 * @throws CHANNEL_NOT_FOUND, AGENT_NOT_FOUND, AGENT_DEREGISTERED, INVALID_REQUEST
 */
export function decideGrant(name: string, grant: PutChannelGrant, seen: SeenChannel): ChannelDecision<void> {
  const channel = requireChannel(seen, name);
  const wanted = grantRow(grant);
  const known = seen.grants.find(({ grantee }) => grantee === wanted.grantee);
  const had = known !== undefined;
  const has = grantsAnything(wanted);
  const agent_no = has && grant.agentId !== undefined ? requireRegistered(seen, grant.agentId) : null;
  if (has && !had && channel.grants >= CHANNEL_GRANTS_MAX) throw channelFull("grants");
  if (had ? rightsOf(known) === rightsOf(wanted) : !has) return { answer: undefined };
  return {
    answer: undefined,
    change: { step: "grant", ...ofChannel(channel), grant: { ...wanted, agent_no }, had, has },
    entries: [grantEntry(name, wanted)],
  };
}
