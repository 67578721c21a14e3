import type { Channel, ChannelDetails, ChannelGrant, ChannelKind, PutChannelGrant } from "../model/channel.ts";
import { AgentCommunicationError } from "../model/errors.ts";
import { BROADCAST_MAX_BYTES, CHANNEL_GRANTS_MAX, CHANNEL_MEMBERS_MAX } from "../model/limits.ts";
import { CHANNEL_SIGIL } from "../model/values.ts";
import type { ChannelAccess, ChannelReader } from "./calls.ts";
import { iso } from "./instants.ts";

/** What both engines say of channels: how rows read, how a mailbox and a grantee are called, and why a change is refused. */

/**
 * The heartbeat of a channel's mailbox, whose row is one of the agents': the last millisecond of the year 9999, so that no
 * sweep ever finds it silent.
 */
export const CHANNEL_HEARTBEAT_AT = 253_402_300_799_999;
/** The role that the row has: one that is given no tasks. */
export const CHANNEL_ROLE = "observer";

/** The id of a channel's mailbox among the agents. */
export function mailboxOf(name: string): string {
  return `${CHANNEL_SIGIL}${name}`;
}

/** Whom a grant is for, as one text: an agent's id, or `@` and a role. No agent can have an id that begins so. */
export function granteeOf({ agentId, role }: Pick<PutChannelGrant, "agentId" | "role">): string {
  return agentId ?? `@${role}`;
}

/** Under which two names grants are found; without a role both are the agent's. */
export function granteesOf({ agentId, role }: ChannelReader): [string, string] {
  return [agentId, role === undefined ? agentId : granteeOf({ role })];
}

/** The columns of a channel. */
export interface ChannelRow {
  channel_no: number;
  name: string;
  kind: ChannelKind;
  description: string | null;
  created_by: string;
  created_at: number;
  members: number;
}

/** A grant's columns; flags are 0 and 1 on one engine, false and true on the other. */
export interface GrantRow {
  grantee: string;
  may_post: number | boolean;
  may_read: number | boolean;
  may_manage: number | boolean;
}

/** The access of an agent to a channel: its membership, and the sum of the grants to the agent and to its role. */
export interface StoredAccess {
  kind: ChannelKind;
  member: number;
  may_post: number;
  may_read: number;
  may_manage: number;
}

/** What it may do with it. */
export function readAccess({
  kind,
  member,
  may_post: post,
  may_read: read,
  may_manage: manage,
}: StoredAccess): ChannelAccess {
  return { kind, post: post === 1, read: member === 1 || read === 1, manage: manage === 1 };
}

/** What readers see of a channel. */
type ShownChannel = Omit<ChannelRow, "channel_no">;

/** A channel as the list shows it. */
export function readChannel(row: ShownChannel): Channel {
  const channel: Channel = {
    name: row.name,
    kind: row.kind,
    createdBy: row.created_by,
    createdAt: iso(row.created_at),
    memberCount: row.members,
  };
  if (row.description !== null) channel.description = row.description;
  return channel;
}

/** A channel with its grants, those of roles first. */
export function readDetails(row: ShownChannel, grants: readonly GrantRow[]): ChannelDetails {
  const ofRole = ({ grantee }: GrantRow): boolean => grantee.startsWith("@");
  const inOrder = grants.toSorted((a, b) => Number(ofRole(b)) - Number(ofRole(a)) || (a.grantee < b.grantee ? -1 : 1));
  return { ...readChannel(row), grants: inOrder.map(readGrant) };
}

function readGrant(row: GrantRow): ChannelGrant {
  const rights = { post: Boolean(row.may_post), read: Boolean(row.may_read), manage: Boolean(row.may_manage) };
  if (!row.grantee.startsWith("@")) return { agentId: row.grantee, ...rights };
  // Only roles were written there.
  return { role: row.grantee.slice(1) as NonNullable<ChannelGrant["role"]>, ...rights };
}

/** Another channel has this name. */
export function channelTaken(name: string): AgentCommunicationError {
  return new AgentCommunicationError("ID_TAKEN", `The channel ${name} already exists; choose another name.`);
}

/** The channel of this name was deleted; its messages are not to become those of a new one. */
export function channelBeingEmptied(name: string): AgentCommunicationError {
  const detail = `The channel ${name} was deleted, and its mailbox is still being emptied; try again after the next sweep.`;
  return new AgentCommunicationError("ID_TAKEN", detail);
}

/** No further member, or grant, fits in. */
export function channelFull(what: "members" | "grants"): AgentCommunicationError {
  const most = what === "members" ? CHANNEL_MEMBERS_MAX : CHANNEL_GRANTS_MAX;
  const detail = `The channel already has ${most} ${what}, which is the maximum.`;
  return new AgentCommunicationError("INVALID_REQUEST", detail);
}

/** The payload times the members is more than one transaction may write. */
export function broadcastTooLarge(members: number): AgentCommunicationError {
  const most = Math.floor(BROADCAST_MAX_BYTES / Math.max(members, 1));
  const message = `must be at most ${most} bytes of JSON in a post to ${members} members`;
  return new AgentCommunicationError("PAYLOAD_TOO_LARGE", `The payload ${message}.`, {
    errors: [{ path: "payload", message }],
  });
}
