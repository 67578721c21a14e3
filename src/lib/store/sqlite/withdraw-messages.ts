import { DEAD_LETTER_BATCH_MAX } from "../../model/limits.ts";
import type { WithdrawReply } from "../../model/message.ts";
import { channelOf } from "../../model/values.ts";
import { messageNotFound } from "../refusals.ts";
import type { MailboxSelection } from "../store.ts";
import { noLongerQueued, writtenBySwitchboard } from "../withdrawal-refusals.ts";
import { agentByNo, findAgent, requireAgent } from "./agent-rows.ts";
import { audit, auditMessage } from "./audit.ts";
import { endMessage, LIVE_COLUMNS, type LiveMessageRow } from "./message-rows.ts";
import type { Transaction } from "./transaction.ts";

/** Taking queued messages out of a mailbox: one by its sender, many by the owner of the mailbox. They read as expired. */

/** The reason of a message that its sender has taken back. */
const WITHDRAWN = "WITHDRAWN";
/** The reason of a message that the owner of its mailbox has thrown away. */
const PURGED = "PURGED";

interface Chosen extends LiveMessageRow {
  reason: string | null;
}

const BY_ID = `SELECT ${LIVE_COLUMNS}, reason FROM messages
  WHERE arrival = (SELECT arrival FROM message_bodies WHERE message_id = ?)`;
const IS_POST = `SELECT 1 FROM channels WHERE channel_no = ? AND kind = 'broadcast'`;
const COPIES = `SELECT ${LIVE_COLUMNS} FROM message_bodies INDEXED BY message_bodies_of_post
  CROSS JOIN messages USING (arrival) WHERE post_id = ? AND post_id IS NOT NULL AND status = 'queued' AND sender_no = ?`;

const WITHDRAWN_COPIES = `SELECT count(*) AS withdrawn FROM message_bodies INDEXED BY message_bodies_of_post
  CROSS JOIN messages USING (arrival) WHERE post_id = ? AND post_id IS NOT NULL AND status = 'expired' AND reason = '${WITHDRAWN}' AND sender_no = ?`;

/**
 * Takes back a message that is still queued; of a post, all copies that are. A repeat is answered as the first. The id stays taken.
 *
 * @throws MESSAGE_NOT_FOUND, LEASE_LOST, FORBIDDEN
 */
export function withdrawMessage(transaction: Transaction, messageId: string): WithdrawReply {
  const message = transaction.get<Chosen>(BY_ID, messageId);
  if (message === undefined) throw messageNotFound(messageId);
  if (message.sender_no === null) throw writtenBySwitchboard(messageId);
  if (message.status === "completed" && transaction.get(IS_POST, message.receiver_no) !== undefined) {
    const copies = transaction.all<LiveMessageRow>(COPIES, messageId, message.sender_no);
    for (const copy of copies) endMessage(transaction, copy, "expired", { reason: WITHDRAWN });
    if (copies.length > 0) record(transaction, messageId, message.sender_no, copies.length);
    const all = transaction.get<{ withdrawn: number }>(WITHDRAWN_COPIES, messageId, message.sender_no);
    return { messageId, status: "completed", withdrawn: all?.withdrawn ?? 0 };
  }
  if (message.status === "expired") {
    return { messageId, status: "expired", withdrawn: Number(message.reason === WITHDRAWN) };
  }
  if (message.status !== "queued") throw noLongerQueued(messageId, message.status);
  endMessage(transaction, message, "expired", { reason: WITHDRAWN });
  record(transaction, messageId, message.sender_no, 1);
  return { messageId, status: "expired", withdrawn: 1 };
}

function record(transaction: Transaction, messageId: string, senderNo: number, withdrawn: number): void {
  const agentId = agentByNo(transaction, senderNo).agent_id;
  auditMessage(transaction, "message.withdrawn", { messageId, agentId, detail: { withdrawn } });
}

/** Queued messages of a mailbox that agents have sent: those of the switchboard go with their tasks. */
function chosenSql(filters: string): string {
  return `SELECT ${LIVE_COLUMNS} FROM messages JOIN message_bodies USING (arrival)
    WHERE receiver_no = ? AND status = 'queued' AND sender_no IS NOT NULL${filters} LIMIT ${DEAD_LETTER_BATCH_MAX}`;
}

/**
 * Ends queued messages of a mailbox, due or not, at most DEAD_LETTER_BATCH_MAX. Their ids stay taken.
 *
 * @returns how many
 * @param mailbox the id of an agent, or `#` and the name of a channel
 * @throws AGENT_NOT_FOUND, CHANNEL_NOT_FOUND
 */
export function purgeMailbox(transaction: Transaction, mailbox: string, selection: MailboxSelection): number {
  const owner = requireAgent(transaction, mailbox);
  const { sender, type, before, dueAfter } = selection.filter;
  const filters: string[] = [];
  const values: (string | number)[] = [];
  const narrow = (condition: string, value: string | number) => filters.push(condition) && values.push(value);
  // An id that no agent has matches nothing.
  if (sender !== undefined) narrow("sender_no = ?", findAgent(transaction, sender)?.agent_no ?? 0);
  if (type !== undefined) narrow("type = ?", type);
  if (before !== undefined) narrow("accepted_at < ?", Date.parse(before));
  if (dueAfter !== undefined) narrow("available_at > ?", Date.parse(dueAfter));
  const sql = chosenSql(filters.map((filter) => ` AND ${filter}`).join(""));
  const chosen = transaction.all<LiveMessageRow>(sql, owner.agent_no, ...values);
  if (selection.dryRun || chosen.length === 0) return chosen.length;
  for (const message of chosen) endMessage(transaction, message, "expired", { reason: PURGED });
  const channel = channelOf(mailbox);
  const subject = { subjectKind: channel === undefined ? "agent" : "channel", subjectId: channel ?? mailbox } as const;
  audit(transaction, { action: "messages.purged", ...subject, detail: { count: chosen.length } });
  return chosen.length;
}
