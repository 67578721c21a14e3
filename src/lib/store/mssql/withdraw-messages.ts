import { newId } from "../../model/ids.ts";
import type { WithdrawReply } from "../../model/message.ts";
import { actorOf } from "../../trace/call-context.ts";
import { agentNotFound, messageNotFound } from "../refusals.ts";
import type { MailboxSelection } from "../store.ts";
import { noLongerQueued, writtenBySwitchboard } from "../withdrawal-refusals.ts";
import type { Batch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";

/** Taking queued messages out of a mailbox: one by its sender, many by the owner of the mailbox. They read as expired. */

/**
 * `@kind`: why nothing is done (ABSENT, SYSTEM, or the status of a message that is no longer queued), or what is: POST, QUEUED.
 * A repeat finds it expired. What is answered is how many are withdrawn now, by whichever call.
 */
const WITHDRAW_SQL = procedure("withdraw_message");

interface WithdrawnRow {
  kind: "ABSENT" | "SYSTEM" | "POST" | "QUEUED" | "leased" | "completed" | "dead_lettered" | "expired";
  withdrawn: number;
}

const WITHDRAW: Batch<string, WithdrawReply> = {
  name: "withdraw-message",
  sql: WITHDRAW_SQL,
  encode: (messageId) => {
    const actor = actorOf("");
    return { message_id: messageId, ...(actor === "" ? {} : { actor }) };
  },
  decode: (result, messageIds) =>
    result.rows<WithdrawnRow>(0).map(({ kind, withdrawn }, position) => {
      const messageId = messageIds[position] ?? "";
      switch (kind) {
        case "ABSENT":
          return { refusal: messageNotFound(messageId) };
        case "SYSTEM":
          return { refusal: writtenBySwitchboard(messageId) };
        case "POST":
          return { value: { messageId, status: "completed", withdrawn } };
        case "QUEUED":
        case "expired":
          return { value: { messageId, status: "expired", withdrawn } };
        default:
          return { refusal: noLongerQueued(messageId, kind) };
      }
    }),
  // Of a post there may be a thousand copies.
  maxItems: 1,
};

/**
 * Takes back a message that is still queued; of a post, all copies that are. A repeat is answered as the first. The id stays taken.
 *
 * @throws MESSAGE_NOT_FOUND, LEASE_LOST, FORBIDDEN
 */
export function withdrawMessage(connection: Connection, messageId: string): Promise<WithdrawReply> {
  return connection.run(WITHDRAW, messageId);
}

/** Those of the switchboard go with their tasks. The answer is kept: a repeat of the call would take the next ones. */
const PURGE_SQL = procedure("purge_mailbox");

interface Purge extends MailboxSelection {
  mailbox: string;
  operationId: string;
}

const PURGE: Batch<Purge, number> = {
  name: "purge-mailbox",
  sql: PURGE_SQL,
  encode: ({ mailbox, operationId, dryRun, filter }) => ({
    operation: operationId,
    actor: actorOf(),
    dry_run: dryRun,
    mailbox,
    sender: filter.sender ?? null,
    type: filter.type ?? null,
    before: filter.before === undefined ? null : Date.parse(filter.before),
    due_after: filter.dueAfter === undefined ? null : Date.parse(filter.dueAfter),
  }),
  decode: (result, purges) =>
    result
      .rows<{ mailbox_no: number | null; count: number }>(0)
      .map(({ mailbox_no: mailboxNo, count }, position) =>
        mailboxNo === null ? { refusal: agentNotFound(purges[position]?.mailbox ?? "") } : { value: count },
      ),
  // Up to a thousand rows each.
  maxItems: 1,
};

/**
 * Ends queued messages of a mailbox, due or not, at most DEAD_LETTER_BATCH_MAX. Their ids stay taken.
 *
 * @returns how many
 * @param mailbox the id of an agent, or `#` and the name of a channel
 * @throws AGENT_NOT_FOUND, CHANNEL_NOT_FOUND
 */
export function purgeMailbox(connection: Connection, mailbox: string, selection: MailboxSelection): Promise<number> {
  return connection.run(PURGE, { mailbox, ...selection, operationId: newId(connection.clock.now()) });
}
