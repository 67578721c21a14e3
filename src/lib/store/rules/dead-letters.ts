import type { NewAuditEntry } from "../../model/audit.ts";
import type { Decision } from "../decision.ts";

/** Which dead letters an operator's call redrives or purges. */

export interface DeadLetter {
  arrival: number;
  message_id: string;
  receiver_no: number;
}

/** What is read before dead letters change: those that a selection names, oldest first, at most DEAD_LETTER_BATCH_MAX. */
export interface SeenDeadLetters {
  letters: readonly DeadLetter[];
  receiver(receiverNo: number): Receiver;
  /** How many messages a mailbox may hold. */
  maxMailbox: number;
}

interface Receiver {
  agentId: string;
  isRegistered: boolean;
  /** Messages in its mailbox. */
  depth: number;
}

/** Those to change. */
export interface DeadLetterChange {
  step: "redrive" | "purge";
  letters: readonly DeadLetter[];
}

/** Those of deregistered agents stay, and those for which a mailbox has no room. The answer: how many. */
export function decideRedrive(dryRun: boolean, seen: SeenDeadLetters): Decision<number, DeadLetterChange> {
  const rooms = new Map<number, number>();
  const letters = seen.letters.filter(({ receiver_no: no }) => {
    const room = rooms.get(no) ?? roomOf(seen.receiver(no), seen.maxMailbox);
    rooms.set(no, room - 1);
    return room > 0;
  });
  return decided("redrive", letters, dryRun, seen);
}

function roomOf({ isRegistered, depth }: Receiver, maxMailbox: number): number {
  return isRegistered ? maxMailbox - depth : 0;
}

/** The answer: how many. */
export function decidePurge(dryRun: boolean, seen: SeenDeadLetters): Decision<number, DeadLetterChange> {
  return decided("purge", seen.letters, dryRun, seen);
}

function decided(
  step: DeadLetterChange["step"],
  letters: readonly DeadLetter[],
  dryRun: boolean,
  seen: SeenDeadLetters,
): Decision<number, DeadLetterChange> {
  if (dryRun || letters.length === 0) return { answer: letters.length };
  const entries = letters.map((letter) => deadLetterEntry(step, letter, seen.receiver(letter.receiver_no).agentId));
  return { answer: letters.length, change: { step, letters }, entries };
}

/** The entry of the audit about a dead letter that is redriven or purged. */
export function deadLetterEntry(
  step: DeadLetterChange["step"],
  { message_id: subjectId }: Pick<DeadLetter, "message_id">,
  receiver: string,
): NewAuditEntry {
  const action = step === "redrive" ? "dead_letters.redriven" : "dead_letters.purged";
  return { action, subjectKind: "message", subjectId, detail: { receiver } };
}
