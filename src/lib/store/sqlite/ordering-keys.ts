import { JOINS_PER_TRANSACTION, MAINTENANCE_BATCH_ROWS } from "../../model/limits.ts";
import type { Walked } from "../upkeep-runs.ts";
import type { Transaction } from "./transaction.ts";

/**
 * How messages get into their ordering keys. Only the lowest unsettled number of a receiver and key is delivered. A message
 * with a first delay joins its key when it becomes due, with the number given then, so that it holds up nothing before.
 */

/** Where a message of a key stands; `held`: behind another, or not joined yet. */
export interface Place {
  held: 0 | 1;
  joined: 0 | 1;
}

/** Of a message that stands behind no other. */
export const OUT_OF_KEY: Place = { held: 0, joined: 1 };
const NOT_JOINED: Place = { held: 1, joined: 0 };

const DUE_OF_KEY =
  "SELECT 1 FROM messages WHERE joined = 0 AND receiver_no = ? AND ordering_key = ? AND available_at <= ?";

/**
 * The place of a message that comes into a mailbox now. What is due of its key and has not joined yet is in front of it: so
 * it joins behind those, by the next claim or sweep.
 */
export function placeInKey(
  transaction: Transaction,
  receiverNo: number,
  key: string | null | undefined,
  availableAt: number,
): Place {
  if (key === null || key === undefined) return OUT_OF_KEY;
  const { now } = transaction;
  if (availableAt > now || transaction.get(DUE_OF_KEY, receiverNo, key, now) !== undefined) return NOT_JOINED;
  return { held: keyIsBusy(transaction, receiverNo, key) ? 1 : 0, joined: 1 };
}

/** Whether a claim has something to say of a message that comes into a mailbox now. */
export function isClaimable(transaction: Transaction, place: Place, availableAt: number): boolean {
  return availableAt <= transaction.now && (place.held === 0 || place.joined === 0);
}

const NEXT_OF_KEY = `SELECT arrival, held FROM messages
  WHERE receiver_no = ? AND ordering_key = ? AND joined = 1 AND status IN ('queued', 'leased') ORDER BY arrival LIMIT 1`;

/** The lowest unsettled number of the key is no longer held behind another. */
export function freeNextOfKey(transaction: Transaction, receiverNo: number, key: string): void {
  const next = transaction.get<{ arrival: number; held: number }>(NEXT_OF_KEY, receiverNo, key);
  if (next === undefined || next.held === 0) return;
  transaction.run("UPDATE messages SET held = 0 WHERE arrival = ?", next.arrival);
  transaction.deliverableNo(receiverNo);
}

/** Whether an unsettled message of the key is in front. */
function keyIsBusy(transaction: Transaction, receiverNo: number, key: string): boolean {
  return transaction.get(NEXT_OF_KEY, receiverNo, key) !== undefined;
}

const JOINING = `SELECT arrival, ordering_key FROM messages
  WHERE joined = 0 AND receiver_no = ? AND available_at <= ? ORDER BY available_at, arrival LIMIT ?`;
const JOIN = `UPDATE messages SET arrival = (SELECT max(arrival) + 1 FROM messages), joined = 1, held = ? WHERE arrival = ?`;

/** Messages that have become due join their keys, in the order of becoming due. @returns how many, at most `limit` */
export function joinKeys(transaction: Transaction, receiverNo: number, limit: number): number {
  const due = transaction.all<{ arrival: number; ordering_key: string }>(JOINING, receiverNo, transaction.now, limit);
  for (const { arrival, ordering_key: key } of due) {
    const held = keyIsBusy(transaction, receiverNo, key) ? 1 : 0;
    transaction.run(JOIN, held, arrival);
    if (held === 0) transaction.deliverableNo(receiverNo);
  }
  return due.length;
}

/** Mailboxes with something to join, by a loose walk of the index: one seek per mailbox, for any number of messages. */
const NEXT_RECEIVER = "SELECT min(receiver_no) AS receiver_no FROM messages WHERE joined = 0 AND receiver_no > ?";

/** Lets what has become due join its keys, mailbox by mailbox from `after` on. */
export function joinDueMessages(transaction: Transaction, after: number): Walked {
  let done = 0;
  let receiverNo = after;
  for (let probed = 0; probed < MAINTENANCE_BATCH_ROWS; probed += 1) {
    const next = transaction.get<{ receiver_no: number | null }>(NEXT_RECEIVER, receiverNo)?.receiver_no;
    if (next === null || next === undefined) return { done, next: undefined };
    const left = JOINS_PER_TRANSACTION - done;
    const joined = joinKeys(transaction, next, left);
    done += joined;
    // A mailbox that fills the transaction is visited again.
    if (joined === left) return { done, next: receiverNo };
    receiverNo = next;
  }
  return { done, next: receiverNo };
}
