import { MAINTENANCE_BATCH_ROWS } from "../../model/limits.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Streams by type exist only for mailboxes that are read by type: everywhere else a message is in one stream, not two. The first
 * receive that names types makes them. A message has its stream_type while it is queued.
 */

const FILL = `UPDATE messages SET stream_type = (SELECT type FROM message_bodies b WHERE b.arrival = messages.arrival)
  WHERE arrival IN (SELECT arrival FROM messages INDEXED BY messages_ready
    WHERE receiver_no = ? AND status = 'queued' AND stream_type IS NULL LIMIT ${MAINTENANCE_BATCH_ROWS})`;

/** Makes the streams by type of a mailbox, a bounded number of messages at a time. @returns whether they are all there */
export function makeTypedStreams(transaction: Transaction, receiverNo: number): boolean {
  const { mailboxes } = transaction;
  const byType = mailboxes.byType(receiverNo);
  if (byType === 2) return true;
  const filled = transaction.run(FILL, receiverNo).changes;
  const through = filled < MAINTENANCE_BATCH_ROWS;
  if (through || byType === 0) mailboxes.setByType(receiverNo, through ? 2 : 1);
  return through;
}

const REJOIN = `UPDATE messages SET stream_type = (SELECT type FROM message_bodies b WHERE b.arrival = messages.arrival)
  WHERE arrival = ? AND stream_type IS NULL`;

/** A message comes back into its mailbox, which may be read by type by now. */
export function rejoinTypedStream(transaction: Transaction, receiverNo: number, arrival: number): void {
  if (transaction.mailboxes.byType(receiverNo) > 0) transaction.run(REJOIN, arrival);
}
