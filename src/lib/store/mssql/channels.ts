import type { Channel, ChannelDetails, ChannelKind } from "../../model/channel.ts";
import { newId } from "../../model/ids.ts";
import { actorOf } from "../../trace/call-context.ts";
import { capabilitiesHash } from "../capabilities.ts";
import {
  type ChannelRow,
  channelBeingEmptied,
  channelTaken,
  type GrantRow,
  granteeOf,
  readChannel,
  readDetails,
} from "../channel-reading.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { type AgentRefusalCode, agentRefusal, channelNotFound } from "../refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { ChannelReader, NewChannel, Page, Paged } from "../store.ts";
import { type Batch, id, int, type OutcomeRow, outcomeRows, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemText } from "./item-text.ts";
import { procedure } from "./procedures.ts";

/** Channels: making, reading and deleting them. */

const CREATE_SQL = procedure("create_channel");

interface CreateOutcome extends OutcomeRow {
  code: AgentRefusalCode | "KNOWN" | "ID_TAKEN" | "BEING_EMPTIED" | null;
  created: boolean;
}

/** The grants of the request that grant anything, and the creator's: of one that need not be registered, if it is. */
function encodeGrants(channel: NewChannel) {
  const ofOthers = channel.grants.filter(
    ({ agentId, post, read, manage }) => (post || read || manage) && agentId !== channel.creator,
  );
  const grants = ofOthers.map(({ agentId, role, post, read, manage }) => ({
    grantee: granteeOf({ agentId, role }),
    agent_id: agentId ?? null,
    optional: false,
    may_post: post,
    may_read: read,
    may_manage: manage,
  }));
  const { creator, creatorMustBeRegistered } = channel;
  const every = { may_post: true, may_read: true, may_manage: true };
  return [...grants, { grantee: creator, agent_id: creator, optional: !creatorMustBeRegistered, ...every }];
}

const CREATE: Batch<NewChannel & { operationId: string }, { channel: ChannelDetails; created: boolean }> = {
  name: "create-channel",
  sql: CREATE_SQL,
  encode: (channel) => ({
    operation: channel.operationId,
    actor: actorOf(),
    name: channel.name,
    kind: channel.kind,
    description: channel.description === undefined ? null : itemText(channel.description),
    creator: channel.creator,
    request_hash: channel.requestHash,
    set_hash: capabilitiesHash([]),
    members: [...new Set(channel.members)],
    grants: encodeGrants(channel),
  }),
  decode(result, calls) {
    return outcomeRows<CreateOutcome>(result, calls).map(({ code, subject, created }, position) => {
      const name = calls[position]?.name ?? "";
      if (code === "ID_TAKEN") return { refusal: channelTaken(name) };
      if (code === "BEING_EMPTIED") return { refusal: channelBeingEmptied(name) };
      if (code !== null && code !== "KNOWN") return { refusal: agentRefusal(code, subject ?? "") };
      const [row] = result.rows<ChannelRow>(1);
      if (row === undefined) throw new Error("the channel's row was not returned");
      return { value: { channel: readDetails(row, result.rows<GrantRow>(2)), created } };
    });
  },
  maxItems: 1,
  conflictKey: ({ name }) => name,
};

/**
 * Makes a channel with its members and grants. The same again by the same creator: the channel as it is now.
 *
 * @throws ID_TAKEN, AGENT_NOT_FOUND, AGENT_DEREGISTERED
 */
export function createChannel(
  connection: Connection,
  input: NewChannel,
): Promise<{ channel: ChannelDetails; created: boolean }> {
  return connection.run(CREATE, { ...input, operationId: newId(connection.clock.now()) });
}

const GET = procedure("get_channel");

/** @throws CHANNEL_NOT_FOUND */
export async function getChannel(connection: Connection, name: string): Promise<ChannelDetails> {
  const result = await connection.query(GET, { name: id(name) });
  const [row] = result.rows<ChannelRow>(0);
  if (row === undefined) throw channelNotFound(name);
  return readDetails(row, result.rows<GrantRow>(1));
}

const LIST = procedure("list_channels");

/** By name. */
export async function listChannels(
  connection: Connection,
  query: Page & { kind?: ChannelKind | undefined; reader?: ChannelReader | undefined },
): Promise<Paged<Channel>> {
  const { kind, reader, limit } = query;
  const filters = { list: "channels", kind, reader };
  const after = String(decodeCursor(filters, query.cursor, "text")?.[0] ?? "");
  const [agentId, roleGrantee] = reader === undefined ? [null, null] : granteesOf(reader);
  const result = await connection.query(LIST, {
    kind: word(kind ?? null),
    agentId: id(agentId),
    roleGrantee: id(roleGrantee),
    rows: int(limit + 1),
    after: id(after),
  });
  const rows = result.rows<ChannelRow>(0);
  return takePage(rows, limit, readChannel, (last) => encodeCursor(filters, [last.name]));
}

/** Under which two names grants are found; without a role both are the agent's. */
export function granteesOf({ agentId, role }: ChannelReader): [string, string] {
  return [agentId, role === undefined ? agentId : granteeOf({ role })];
}

/** Its members and grants go with the row. */
const DELETE_SQL = procedure("delete_channel");

const DELETE: Batch<{ operationId: string; name: string }, boolean> = {
  name: "delete-channel",
  sql: DELETE_SQL,
  encode: ({ operationId, name }) => ({ operation: operationId, actor: actorOf(), name }),
  decode: (result) => result.rows<{ deleted: number }>(0).map(({ deleted }) => ({ value: deleted === 1 })),
  maxItems: 1,
  conflictKey: ({ name }) => name,
};

/** With its members and grants; what is left in its mailbox is the sweep's. @returns whether there was one */
export function deleteChannel(connection: Connection, name: string): Promise<boolean> {
  return connection.run(DELETE, { operationId: newId(connection.clock.now()), name });
}
