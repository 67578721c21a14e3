import type { Command } from "commander";
import { AGENT_ROLES, type AgentRole } from "../lib/model/agent.ts";
import { CHANNEL_KINDS, type Channel, type ChannelKind, type ChannelMember } from "../lib/model/channel.ts";
import type { LeasedMessage } from "../lib/model/message.ts";
import type { Runner } from "./context.ts";
import { UsageError } from "./exit-codes.ts";
import { type PageOptions, page, withPage } from "./list.ts";
import { type ReceiveOptions, receiveAndComplete, withReceive } from "./message-commands.ts";
import { given, oneOf, toList } from "./options.ts";
import { type Column, properties, table } from "./table.ts";

const COLUMNS: readonly Column<Channel>[] = [
  { title: "channel", value: (channel) => channel.name },
  { title: "kind", value: (channel) => channel.kind },
  { title: "members", value: (channel) => channel.memberCount, right: true },
  { title: "created by", value: (channel) => channel.createdBy },
  { title: "created", value: (channel) => channel.createdAt, time: true },
  { title: "description", value: (channel) => channel.description },
];

const MEMBER_COLUMNS: readonly Column<ChannelMember>[] = [
  { title: "member", value: (member) => member.agentId },
  { title: "added", value: (member) => member.addedAt, time: true },
];

const LEASED_COLUMNS: readonly Column<LeasedMessage>[] = [
  { title: "message", value: (message) => message.messageId },
  { title: "from", value: (message) => message.sender },
  { title: "type", value: (message) => message.type },
  { title: "holder", value: (message) => message.holder },
  { title: "attempt", value: (message) => message.attempt, right: true },
  { title: "lease until", value: (message) => message.leaseExpiresAt, time: true },
  { title: "payload", value: (message) => message.payload, text: true },
];

/** channels: list, show, create, delete, members, add, remove, grant, receive. */
export function addChannelCommands(program: Command, runner: Runner): void {
  const channels = program
    .command("channels")
    .description("broadcast channels and work queues; send to one as '#name'");
  addReading(channels, runner);
  addCreate(channels, runner);
  addMembers(channels, runner);
  addGrant(channels, runner);
  addReceive(channels, runner);

  channels
    .command("delete <name>")
    .description("delete a channel; messages in a work queue become dead letters")
    .action((name: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.deleteChannel(name), properties)),
    );
}

function addReading(channels: Command, runner: Runner): void {
  withPage(channels.command("list").description("list the channels that the caller may read, ordered by name"))
    .addOption(oneOf("--kind <kind>", CHANNEL_KINDS))
    .action(({ kind, limit, cursor }: PageOptions & { kind?: ChannelKind }, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const reply = await client.listChannels({ kind, limit, cursor });
        print(reply, ({ channels: rows, nextCursor }, view) => page(COLUMNS, rows, nextCursor, view));
      }),
    );

  channels
    .command("show <name>")
    .description("show a channel with its grants")
    .action((name: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.getChannel(name), properties)),
    );
}

interface CreateOptions {
  kind: ChannelKind;
  description?: string;
  members?: string[];
}

function addCreate(channels: Command, runner: Runner): void {
  channels
    .command("create <name>")
    .description("create a channel; does nothing if the same channel exists")
    .addOption(oneOf("--kind <kind>", CHANNEL_KINDS).makeOptionMandatory())
    .option("--description <text>")
    .option("--members <list>", "agents, separated by commas", toList)
    .action((name: string, { kind, description, members }: CreateOptions, command: Command) =>
      runner.run(command, async ({ client, print }) =>
        print(await client.createChannel({ name, kind, ...given({ description, members }) }), properties),
      ),
    );
}

function addMembers(channels: Command, runner: Runner): void {
  withPage(channels.command("members <name>").description("list the members of a channel, ordered by id")).action(
    (name: string, { limit, cursor }: PageOptions, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const reply = await client.listChannelMembers(name, { limit, cursor });
        print(reply, ({ members, nextCursor }, view) => page(MEMBER_COLUMNS, members, nextCursor, view));
      }),
  );

  channels
    .command("add <name> <agentId>")
    .description("add an agent to a channel")
    .action((name: string, agentId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.addChannelMember(name, agentId), properties)),
    );

  channels
    .command("remove <name> <agentId>")
    .description("remove an agent from a channel; its leases stay until they end")
    .action((name: string, agentId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) =>
        print(await client.removeChannelMember(name, agentId), properties),
      ),
    );
}

interface GrantOptions {
  agent?: string;
  role?: AgentRole;
  post?: boolean;
  read?: boolean;
  manage?: boolean;
}

function addGrant(channels: Command, runner: Runner): void {
  channels
    .command("grant <name>")
    .description("set the rights of an agent or a role on a channel; without a right, its grant is removed")
    .option("--agent <agentId>", "an agent")
    .addOption(oneOf("--role <role>", AGENT_ROLES))
    .option("--post", "may send to the channel")
    .option("--read", "may read the channel, and receive from a work queue")
    .option("--manage", "may change members and grants, and delete the channel")
    .action((name: string, { agent, role, post, read, manage }: GrantOptions, command: Command) => {
      if ((agent === undefined) === (role === undefined))
        throw new UsageError("Give exactly one of --agent and --role.");
      return runner.run(command, async ({ client, print }) => {
        const grantee = given({ agentId: agent, role });
        print(await client.putChannelGrant(name, { ...grantee, ...given({ post, read, manage }) }), properties);
      });
    });
}

function addReceive(channels: Command, runner: Runner): void {
  withReceive(channels.command("receive <name>").description("lease messages from a work queue for a member"))
    .requiredOption("--agent <agentId>", "the member")
    .action((name: string, { agent, ...options }: ReceiveOptions & { agent: string }, command: Command) =>
      runner.run(command, (context) =>
        receiveAndComplete(context, agent, options, {
          receive: (wanted) => context.client.receiveFromChannel(name, { agentId: agent, ...wanted }),
          show: ({ messages }, view) => table(LEASED_COLUMNS, messages, view),
        }),
      ),
    );
}
