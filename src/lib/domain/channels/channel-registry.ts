import type { z } from "zod";
import { type DirectoryEntry, directoryQuerySchema } from "../../model/agent.ts";
import {
  type Channel,
  type ChannelDetails,
  type ChannelMember,
  type CreateChannel,
  type CreateChannelInput,
  createChannelSchema,
  listChannelMembersQuerySchema,
  listChannelsQuerySchema,
  type PutChannelGrantInput,
  putChannelGrantSchema,
} from "../../model/channel.ts";
import { requestHash } from "../../model/ids.ts";
import { parse } from "../../model/parse.ts";
import { channelNameSchema, idSchema } from "../../model/values.ts";
import type { Store } from "../../store/store.ts";
import { currentCall } from "../../trace/call-context.ts";
import type { ChannelPolicy } from "./channel-policy.ts";

/** Channels as such: who made them, who belongs to them, who may do what with them. Messages go through MessageQueueManager. */
export class ChannelRegistry {
  readonly #store: Store;
  readonly #policy: ChannelPolicy;

  constructor(options: { store: Store; policy: ChannelPolicy }) {
    this.#store = options.store;
    this.#policy = options.policy;
  }

  /**
   * Creates a channel; its creator gets every right on it. The same channel again from the same caller returns the channel as it is
   * now, if the caller may still read it.
   *
   * @throws INVALID_REQUEST, ID_TAKEN, AGENT_NOT_FOUND, AGENT_DEREGISTERED; CHANNEL_FORBIDDEN for a repeat
   * @example
   * await channels.create({ name: "builds", kind: "work_queue", members: ["b-1", "b-2"], grants: [{ role: "worker", post: true }] });
   */
  async create(input: CreateChannelInput): Promise<{ channel: ChannelDetails; created: boolean }> {
    const request = canonical(parse(createChannelSchema, input));
    const { actor, role, credential } = currentCall();
    return this.#changing(async () => {
      const reply = await this.#store.createChannel({
        ...request,
        creator: actor,
        // An admin may do everything anyway, and need not be an agent; where nobody proves anything, nobody need be.
        creatorMustBeRegistered: credential !== "none" && role !== "admin",
        requestHash: requestHash(request),
      });
      // Who made it may have lost its grant since, or be another agent under a name that was free in between.
      if (!reply.created) {
        this.#policy.forget();
        await this.#policy.require(request.name, "read");
      }
      return reply;
    });
  }

  /** By name: what the caller may read. @throws INVALID_REQUEST for a cursor of other filters */
  async list(
    query: z.input<typeof listChannelsQuerySchema> = {},
  ): Promise<{ channels: Channel[]; nextCursor: string | null }> {
    const { reader } = this.#policy;
    const { items, nextCursor } = await this.#store.listChannels({ ...parse(listChannelsQuerySchema, query), reader });
    return { channels: items, nextCursor };
  }

  /**
   * The agents that the caller may write to, by id, without the deregistered: everybody, or under the policy `restricted` itself and those that it
   * shares a channel with.
   *
   * @throws INVALID_REQUEST for a cursor of other filters
   */
  async directory(
    query: z.input<typeof directoryQuerySchema> = {},
  ): Promise<{ agents: DirectoryEntry[]; nextCursor: string | null }> {
    const { restricted, reader } = this.#policy;
    const matesOf = restricted ? reader?.agentId : undefined;
    const asked = parse(directoryQuerySchema, query);
    const { items, nextCursor } = await this.#store.listAgents({ ...asked, registered: true, matesOf });
    const agents = items.map(({ agentId, role, capabilities, status }) => ({ agentId, role, capabilities, status }));
    return { agents, nextCursor };
  }

  /** @throws CHANNEL_FORBIDDEN, CHANNEL_NOT_FOUND */
  async get(name: string): Promise<ChannelDetails> {
    return this.#policy.withFreshAnswers(async () => this.#store.getChannel(await this.#allowed(name, "read")));
  }

  /** The sweep dead-letters what is left in a work queue. @throws CHANNEL_FORBIDDEN, CHANNEL_NOT_FOUND */
  async delete(name: string): Promise<void> {
    await this.#changing(async () => this.#store.deleteChannel(await this.#allowed(name, "manage")));
  }

  /** By id. @throws CHANNEL_FORBIDDEN, CHANNEL_NOT_FOUND */
  async members(
    name: string,
    query: z.input<typeof listChannelMembersQuerySchema> = {},
  ): Promise<{ members: ChannelMember[]; nextCursor: string | null }> {
    const page = parse(listChannelMembersQuerySchema, query);
    return this.#policy.withFreshAnswers(async () => {
      const { items, nextCursor } = await this.#store.listChannelMembers(await this.#allowed(name, "read"), page);
      return { members: items, nextCursor };
    });
  }

  /** @throws CHANNEL_FORBIDDEN, CHANNEL_NOT_FOUND, AGENT_NOT_FOUND, AGENT_DEREGISTERED, INVALID_REQUEST */
  async addMember(name: string, agentId: string): Promise<ChannelMember> {
    const member = parse(idSchema, agentId, "agent id");
    return this.#changing(async () => this.#store.addChannelMember(await this.#allowed(name, "manage"), member));
  }

  /** Also when it is none. @throws CHANNEL_FORBIDDEN, CHANNEL_NOT_FOUND */
  async removeMember(name: string, agentId: string): Promise<void> {
    const member = parse(idSchema, agentId, "agent id");
    await this.#changing(async () => this.#store.removeChannelMember(await this.#allowed(name, "manage"), member));
  }

  /** In the place of what the agent or role had. @throws as addMember */
  async putGrant(name: string, input: PutChannelGrantInput): Promise<ChannelDetails> {
    const grant = parse(putChannelGrantSchema, input);
    return this.#changing(async () => {
      const channel = await this.#allowed(name, "manage");
      await this.#store.putChannelGrant(channel, grant);
      return this.#store.getChannel(channel);
    });
  }

  async #allowed(name: string, right: "read" | "manage"): Promise<string> {
    const channel = parse(channelNameSchema, name, "name of the channel");
    await this.#policy.require(channel, right);
    return channel;
  }

  /** What was known of channels counts no more after a change, however it ended. */
  async #changing<Result>(change: () => Promise<Result>): Promise<Result> {
    try {
      return await this.#policy.withFreshAnswers(change);
    } finally {
      this.#policy.forget();
    }
  }
}

/** The request in one form, so that its repeat is recognised however members and grants are ordered. */
function canonical(request: CreateChannel): CreateChannel {
  const granteeOf = ({ agentId, role }: CreateChannel["grants"][number]): string => agentId ?? `@${role}`;
  return {
    ...request,
    members: [...new Set(request.members)].sort(),
    grants: request.grants
      .filter(({ post, read, manage }) => post || read || manage)
      .sort((a, b) => (granteeOf(a) < granteeOf(b) ? -1 : 1)),
  };
}
