import type { Command } from "commander";
import { type LeasedMessage, type Message, SETTLEMENT_OUTCOMES, type SettlementOutcome } from "../lib/model/message.ts";
import { PRIORITIES, type Priority } from "../lib/model/values.ts";
import type { Context, Runner } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import { type PageOptions, page, withPage } from "./list.ts";
import { addMailboxCommands } from "./mailbox-commands.ts";
import { given, oneOf, readJson, toList, toNumber } from "./options.ts";
import { type Column, properties, table } from "./table.ts";
import type { View } from "./view.ts";

const COLUMNS: readonly Column<Message>[] = [
  { title: "message", value: (message) => message.messageId },
  { title: "from", value: (message) => message.sender },
  { title: "type", value: (message) => message.type },
  { title: "priority", value: (message) => message.priority },
  { title: "status", value: (message) => message.status },
  { title: "attempt", value: (message) => message.attempt, right: true },
  { title: "available", value: (message) => message.availableAt, time: true },
  { title: "payload", value: (message) => message.payload, text: true },
];

const LEASED_COLUMNS: readonly Column<LeasedMessage>[] = [
  { title: "message", value: (message) => message.messageId },
  { title: "from", value: (message) => message.sender },
  { title: "type", value: (message) => message.type },
  { title: "priority", value: (message) => message.priority },
  { title: "attempt", value: (message) => message.attempt, right: true },
  { title: "lease until", value: (message) => message.leaseExpiresAt, time: true },
  { title: "payload", value: (message) => message.payload, text: true },
];

/** send, receive, messages: show, peek, settle, withdraw, purge. */
export function addMessageCommands(program: Command, runner: Runner): void {
  addSend(program, runner);
  addReceive(program, runner);
  const messages = program.command("messages").description("inspect, settle, withdraw and purge messages");

  messages
    .command("show <messageId>")
    .description("show a message with its status and payload")
    .action((messageId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.getMessage(messageId), properties)),
    );

  withPage(
    messages
      .command("peek <agentId>")
      .description("list the queued messages of a mailbox, in delivery order, without leasing them"),
  )
    .option("--wait-seconds <n>", "how long to wait until one can be received, up to 20", toNumber)
    .action((agentId: string, options: PageOptions & { waitSeconds?: number }, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const { limit, cursor, waitSeconds } = options;
        const reply = await client.peekMessages(agentId, { limit, cursor, waitSeconds });
        print(reply, ({ messages: rows, nextCursor }, view) => page(COLUMNS, rows, nextCursor, view));
      }),
    );

  addSettle(messages, runner);
  addMailboxCommands(messages, runner);
}

interface SendOptions {
  from: string;
  type: string;
  payload: string;
  sensitive?: boolean;
  priority?: Priority;
  messageId?: string;
  correlationId?: string;
  replyTo?: string;
  orderingKey?: string;
  delaySeconds?: number;
  ttlSeconds?: number;
  maxAttempts?: number;
}

function addSend(program: Command, runner: Runner): void {
  program
    .command("send <receiver>")
    .description("send a message")
    .requiredOption("--from <agentId>", "the sender, a registered agent")
    .option("--type <type>", "notification, query, … or a custom type", "notification")
    .option("--payload <json>", "any JSON; @file or - for standard input", "null")
    .option("--sensitive", "encrypt the payload where it is stored")
    .addOption(oneOf("--priority <priority>", PRIORITIES))
    .option("--message-id <id>", "your own id; a repeat with the same id sends nothing twice")
    .option("--correlation-id <id>")
    .option("--reply-to <id>")
    .option("--ordering-key <key>", "messages with the same key are delivered one after the other")
    .option(
      "--delay-seconds <n>",
      "deliver later, up to a year; until then, its ordering key does not wait for it",
      toNumber,
    )
    .option("--ttl-seconds <n>", "seconds until it expires, unless delivered before", toNumber)
    .option("--max-attempts <n>", "deliveries before it is dead-lettered (default: 5)", toNumber)
    .action((receiver: string, { from, type, payload, ...rest }: SendOptions, command: Command) =>
      runner.run(command, async ({ client, print, terminal }) => {
        const { sensitive, priority, messageId, correlationId, replyTo, orderingKey } = rest;
        const { delaySeconds, ttlSeconds, maxAttempts } = rest;
        const optional = given({ sensitive, priority, messageId, correlationId, replyTo, orderingKey });
        const reply = await client.sendMessage({
          sender: from,
          receiver,
          type,
          payload: await readJson(terminal, payload, "--payload"),
          ...optional,
          ...given({ delaySeconds, ttlSeconds, maxAttempts }),
        });
        print(reply, properties);
      }),
    );
}

export interface ReceiveOptions {
  max?: number;
  waitSeconds?: number;
  leaseSeconds?: number;
  types?: string[];
  complete?: boolean;
}

/** Adds the options of a receive. */
export function withReceive(command: Command): Command {
  return command
    .option("--max <n>", "number of messages, up to 50 (default: 1)", toNumber)
    .option("--wait-seconds <n>", "how long to wait for the first message, up to 20", toNumber)
    .option("--lease-seconds <n>", "length of the lease (default: 60)", toNumber)
    .option("--types <list>", "only these types, separated by commas", toList)
    .option("--complete", "complete the messages at once");
}

interface Received {
  messages: LeasedMessage[];
}

/** How messages are received, and how they are shown. */
interface Receiving {
  receive(wanted: {
    maxMessages?: number;
    waitSeconds?: number;
    leaseSeconds?: number;
    types?: string[];
  }): Promise<Received>;
  show(reply: Received, view: View): string;
}

/** Receives for an agent, shows what came, and completes it if that was asked for. @returns the exit code */
export async function receiveAndComplete(
  { client, print, terminal }: Context,
  agentId: string,
  { max, complete, waitSeconds, leaseSeconds, types }: ReceiveOptions,
  { receive, show }: Receiving,
): Promise<number> {
  const reply = await receive(given({ maxMessages: max, waitSeconds, leaseSeconds, types }));
  // Shown before they are completed: should that fail, nobody has lost what was in them.
  print(reply, show);
  if (!complete || reply.messages.length === 0) return EXIT.OK;
  const settlements = reply.messages.map(({ messageId, attempt }) => ({
    messageId,
    attempt,
    outcome: "complete" as const,
  }));
  const { results } = await client.settleMessages({ agentId, settlements });
  const left = results.filter(({ status }) => status !== "completed");
  for (const { messageId, status } of left) terminal.writeError(`error: ${messageId} not completed: ${status}\n`);
  return left.length === 0 ? EXIT.OK : EXIT.REFUSED;
}

function addReceive(program: Command, runner: Runner): void {
  withReceive(
    program
      .command("receive <agentId>")
      .description("lease messages from a mailbox; without --complete, they return when the lease ends"),
  ).action((agentId: string, options: ReceiveOptions, command: Command) =>
    runner.run(command, (context) =>
      receiveAndComplete(context, agentId, options, {
        receive: (wanted) => context.client.receiveMessages(agentId, wanted),
        show: ({ messages }, view) => table(LEASED_COLUMNS, messages, view),
      }),
    ),
  );
}

interface SettleOptions {
  agent: string;
  attempt: number;
  outcome: SettlementOutcome;
  delaySeconds?: number;
  reason?: string;
}

function addSettle(messages: Command, runner: Runner): void {
  messages
    .command("settle <messageId>")
    .description("complete, return or dead-letter a leased message; exit code 1 when the lease is lost")
    .requiredOption("--agent <agentId>", "the receiver")
    .requiredOption("--attempt <n>", "as received", toNumber)
    .addOption(oneOf("--outcome <outcome>", SETTLEMENT_OUTCOMES).default("complete"))
    .option("--delay-seconds <n>", "for retry", toNumber)
    .option("--reason <text>", "for retry and dead_letter")
    .action((messageId: string, { agent, attempt, outcome, delaySeconds, reason }: SettleOptions, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const settlement = { messageId, attempt, outcome, ...given({ delaySeconds, reason }) };
        const reply = await client.settleMessages({ agentId: agent, settlements: [settlement] });
        print(reply, ({ results }, view) => results.map((result) => properties(result, view)).join("\n"));
        const lost = reply.results.some(({ status }) => status === "lease_lost" || status === "not_found");
        return lost ? EXIT.REFUSED : EXIT.OK;
      }),
    );
}
