import type { Command } from "commander";
import type { MailboxFilter } from "../lib/model/message.ts";
import { channelOf } from "../lib/model/values.ts";
import type { Runner } from "./context.ts";
import { UsageError } from "./exit-codes.ts";
import { given } from "./options.ts";
import { properties } from "./table.ts";

interface PurgeOptions {
  sender?: string;
  type?: string;
  before?: string;
  dueAfter?: string;
  all?: boolean;
  dryRun?: boolean;
}

/** messages: withdraw, purge. */
export function addMailboxCommands(messages: Command, runner: Runner): void {
  messages
    .command("withdraw <messageId>")
    .description("withdraw a message that is still queued; for a post, every copy that is still queued")
    .action((messageId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.withdrawMessage(messageId), properties)),
    );

  messages
    .command("purge <mailbox>")
    .description("expire queued messages of an agent's mailbox, or of '#channel', up to 1,000 a call")
    .option("--sender <agentId>", "only messages of this sender")
    .option("--type <type>")
    .option("--before <time>", "accepted before this time (ISO 8601)")
    .option("--due-after <time>", "due after this time (ISO 8601)")
    .option("--all", "every queued message; required without filters")
    .option("--dry-run", "only count")
    .action((mailbox: string, options: PurgeOptions, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const body = selectionOf(options);
        const channel = channelOf(mailbox);
        const reply =
          channel === undefined ? await client.purgeMailbox(mailbox, body) : await client.purgeChannel(channel, body);
        print(reply, properties);
      }),
    );
}

function selectionOf({ sender, type, before, dueAfter, all = false, dryRun = false }: PurgeOptions) {
  const filter: MailboxFilter = given({ sender, type, before, dueAfter });
  if (Object.keys(filter).length > 0 === all) {
    throw new UsageError("give either a filter (--sender, --type, --before, --due-after) or --all.");
  }
  return { filter, dryRun };
}
