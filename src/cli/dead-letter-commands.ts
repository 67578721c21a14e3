import type { Command } from "commander";
import type { DeadLetterFilter, Message } from "../lib/model/message.ts";
import type { Runner } from "./context.ts";
import { UsageError } from "./exit-codes.ts";
import { type PageOptions, page, withPage } from "./list.ts";
import { given, toList } from "./options.ts";
import { explainRedrive } from "./redrive-explanation.ts";
import { type Column, cell, properties } from "./table.ts";

const COLUMNS: readonly Column<Message>[] = [
  { title: "message", value: (message) => message.messageId },
  { title: "from", value: (message) => message.sender },
  { title: "to", value: (message) => message.receiver },
  { title: "type", value: (message) => message.type },
  { title: "attempts", value: (message) => message.attempt, right: true },
  { title: "since", value: (message) => message.endedAt, time: true },
  { title: "reason", value: (message) => message.reason, text: true },
];

/** dead-letters: list, redrive, purge. */
export function addDeadLetterCommands(program: Command, runner: Runner): void {
  const deadLetters = program.command("dead-letters").description("inspect, redrive and delete dead letters");

  withFilter(withPage(deadLetters.command("list").description("list dead letters, newest first"))).action(
    (options: PageOptions & FilterOptions, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const { receiver, type, reason, limit, cursor } = options;
        const reply = await client.listDeadLetters({ receiver, type, reason, limit, cursor });
        print(reply, ({ messages, nextCursor }, view) => page(COLUMNS, messages, nextCursor, view));
      }),
  );

  withSelection(deadLetters.command("redrive").description("queue dead letters again, up to 1,000 a call")).action(
    (options: SelectionOptions, command: Command) =>
      runner.run(command, async ({ client, print, terminal }) => {
        const selection = selectionOf(options);
        const reply = await client.redriveDeadLetters(selection);
        print(reply, properties);
        for (const sentence of await explainRedrive(client, { ...selection, count: reply.count })) {
          terminal.writeError(`${cell(sentence, 400)}\n`);
        }
      }),
  );

  withSelection(deadLetters.command("purge").description("delete dead letters, up to 1,000 a call")).action(
    (options: SelectionOptions, command: Command) =>
      runner.run(command, async ({ client, print }) =>
        print(await client.purgeDeadLetters(selectionOf(options)), properties),
      ),
  );
}

interface FilterOptions {
  receiver?: string;
  type?: string;
  reason?: string;
}

interface SelectionOptions extends FilterOptions {
  ids?: string[];
  before?: string;
  all?: boolean;
  dryRun?: boolean;
}

function withFilter(command: Command): Command {
  return command
    .option("--receiver <agentId>")
    .option("--type <type>")
    .option("--reason <reason>", "MAX_ATTEMPTS, RECEIVER_DEREGISTERED, or the reason that the receiver gave");
}

function withSelection(command: Command): Command {
  return withFilter(command)
    .option("--ids <list>", "these messages, separated by commas", toList)
    .option("--before <time>", "dead-lettered before this time (ISO 8601)")
    .option("--all", "every dead letter; required without ids and filters")
    .option("--dry-run", "only count");
}

function selectionOf({ ids, all, dryRun = false, receiver, type, reason, before }: SelectionOptions) {
  const filter: DeadLetterFilter = given({ receiver, type, reason, before });
  const filtered = Object.keys(filter).length > 0;
  if ([ids !== undefined, filtered, all === true].filter(Boolean).length !== 1) {
    throw new UsageError("give exactly one of: --ids, a filter (--receiver, --type, --reason, --before), --all.");
  }
  return ids === undefined ? { filter, dryRun } : { messageIds: ids, dryRun };
}
