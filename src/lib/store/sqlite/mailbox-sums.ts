import { isAboveHalf } from "../mailbox-room.ts";
import type { Transaction } from "./transaction.ts";

/**
 * What is kept of each mailbox beside its messages: how many are in it, how many rows name its agent, and, where these are needed,
 * how many are from each sender. A group of calls writes its sums once, at its end.
 */

interface StoredMailbox {
  depth: number;
  by_type: number;
  by_sender: number;
}

/** A mailbox that a group has touched. */
interface Sums {
  /** Read when somebody asks for it. */
  stored: StoredMailbox | undefined;
  depth: number;
  named: number;
  /** Added by sender, where `by_sender`. */
  senders: Map<number, number>;
  /** Counted rows of a sender, where not `by_sender`, until something is added. */
  counted: Map<number, number>;
  /** Whether by_type or by_sender is to be written. */
  flagged: boolean;
}

const STORED = "SELECT depth, by_type, by_sender FROM mailboxes WHERE agent_no = ?";
const ADD = `INSERT INTO mailboxes (agent_no, depth, named) VALUES (?, ?, ?)
  ON CONFLICT DO UPDATE SET depth = depth + excluded.depth, named = named + excluded.named`;
const TAKE = "UPDATE mailboxes SET depth = depth + ?, named = named + ? WHERE agent_no = ?";
const FLAG = `INSERT INTO mailboxes (agent_no, depth, named, by_type, by_sender) VALUES (?, 0, 0, ?, ?)
  ON CONFLICT DO UPDATE SET by_type = excluded.by_type, by_sender = excluded.by_sender`;

const OF_SENDER = "SELECT depth FROM mailbox_senders WHERE receiver_no = ? AND sender_no = ?";
const ADD_SENDER = `INSERT INTO mailbox_senders VALUES (?, ?, ?)
  ON CONFLICT DO UPDATE SET depth = depth + excluded.depth`;
const TAKE_SENDER = "UPDATE mailbox_senders SET depth = depth + ? WHERE receiver_no = ? AND sender_no = ?";
const DROP_SENDERS = "DELETE FROM mailbox_senders WHERE receiver_no = ?";
const COUNT_SENDERS = `INSERT INTO mailbox_senders SELECT ?1, sender_no, count(*) FROM (
    SELECT sender_no FROM messages INDEXED BY messages_ready WHERE receiver_no = ?1 AND status = 'queued'
    UNION ALL SELECT sender_no FROM messages INDEXED BY messages_leased WHERE receiver_no = ?1 AND status = 'leased')
  WHERE sender_no IS NOT NULL GROUP BY sender_no`;

/** The cap is a literal: it is one for each process, and costs less so. */
function countOneSql(cap: number): string {
  return `SELECT count(*) AS own FROM (
    SELECT * FROM (SELECT 1 FROM messages INDEXED BY messages_ready
      WHERE receiver_no = ?1 AND status = 'queued' AND sender_no = ?2 LIMIT ${cap})
    UNION ALL SELECT * FROM (SELECT 1 FROM messages INDEXED BY messages_leased
      WHERE receiver_no = ?1 AND status = 'leased' AND sender_no = ?2 LIMIT ${cap}))`;
}

/** The mailboxes that a group of calls touches. */
export class MailboxSums {
  readonly #transaction: Transaction;
  readonly #touched = new Map<number, Sums>();

  constructor(transaction: Transaction) {
    this.#transaction = transaction;
  }

  /** Forgets what an earlier group has touched. */
  begin(): void {
    this.#touched.clear();
  }

  /** Queued and leased messages, with what this group has added so far. */
  depth(agentNo: number): number {
    const sums = this.#sums(agentNo);
    return this.#stored(agentNo, sums).depth + sums.depth;
  }

  /** A message has come into a mailbox, or left it; its row shows it. @param senderNo null: the switchboard */
  add(receiverNo: number, senderNo: number | null, delta: 1 | -1): void {
    this.#transaction.dirty = true;
    const sums = this.#sums(receiverNo);
    const stored = this.#stored(receiverNo, sums);
    sums.depth += delta;
    sums.counted.clear();
    if (stored.by_sender === 1) {
      if (senderNo !== null) sums.senders.set(senderNo, (sums.senders.get(senderNo) ?? 0) + delta);
    } else if (delta > 0 && isAboveHalf(stored.depth + sums.depth, this.#transaction.settings.maxMailbox)) {
      this.#transaction.run(COUNT_SENDERS, receiverNo);
      stored.by_sender = 1;
      sums.flagged = true;
    }
  }

  /** A row of messages names an agent, or does so no more. */
  addNamed(agentNo: number, delta: 1 | -1): void {
    this.#transaction.dirty = true;
    this.#sums(agentNo).named += delta;
  }

  /** Queued and leased messages of one sender, counted up to `cap` where they are not kept. */
  ofSender(receiverNo: number, senderNo: number, cap: number): number {
    const sums = this.#sums(receiverNo);
    if (this.#stored(receiverNo, sums).by_sender === 1) {
      const kept = this.#transaction.get<{ depth: number }>(OF_SENDER, receiverNo, senderNo)?.depth ?? 0;
      return kept + (sums.senders.get(senderNo) ?? 0);
    }
    let own = sums.counted.get(senderNo);
    if (own === undefined) {
      own = this.#transaction.get<{ own: number }>(countOneSql(cap), receiverNo, senderNo)?.own ?? 0;
      sums.counted.set(senderNo, own);
    }
    return own;
  }

  /** How far a mailbox is read by type: 0 not, 1 its messages are getting their stream_type, 2 all have it. */
  byType(agentNo: number): number {
    return this.#stored(agentNo, this.#sums(agentNo)).by_type;
  }

  setByType(agentNo: number, byType: 1 | 2): void {
    const sums = this.#sums(agentNo);
    this.#stored(agentNo, sums).by_type = byType;
    sums.flagged = true;
    this.#transaction.dirty = true;
  }

  /** Writes the sums of the group. */
  flush(): void {
    for (const [agentNo, sums] of this.#touched) {
      if (sums.depth >= 0 && sums.named >= 0) {
        if (sums.depth + sums.named > 0) this.#transaction.run(ADD, agentNo, sums.depth, sums.named);
      } else {
        // A mailbox without a row is empty, so nothing can be taken from it.
        this.#transaction.run(TAKE, sums.depth, sums.named, agentNo);
      }
      if (sums.stored !== undefined) this.#flushSenders(agentNo, sums, sums.stored);
    }
  }

  #flushSenders(agentNo: number, sums: Sums, stored: StoredMailbox): void {
    if (stored.by_sender === 1 && (stored.depth + sums.depth) * 4 <= this.#transaction.settings.maxMailbox) {
      // Far from half: what fills and empties around half does not come here each time.
      this.#transaction.run(DROP_SENDERS, agentNo);
      sums.senders.clear();
      stored.by_sender = 0;
      sums.flagged = true;
    }
    if (sums.flagged) this.#transaction.run(FLAG, agentNo, stored.by_type, stored.by_sender);
    for (const [senderNo, added] of sums.senders) {
      if (added > 0) this.#transaction.run(ADD_SENDER, agentNo, senderNo, added);
      else if (added < 0) this.#transaction.run(TAKE_SENDER, added, agentNo, senderNo);
    }
  }

  #sums(agentNo: number): Sums {
    let sums = this.#touched.get(agentNo);
    if (sums === undefined) {
      sums = { stored: undefined, depth: 0, named: 0, senders: new Map(), counted: new Map(), flagged: false };
      this.#touched.set(agentNo, sums);
    }
    return sums;
  }

  #stored(agentNo: number, sums: Sums): StoredMailbox {
    sums.stored ??= this.#transaction.get<StoredMailbox>(STORED, agentNo) ?? { depth: 0, by_type: 0, by_sender: 0 };
    return sums.stored;
  }
}
