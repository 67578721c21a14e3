import { actorOf } from "../../trace/call-context.ts";
import type { Decide, Deciding, Decision } from "../decision.ts";
import { audit } from "./audit.ts";
import type { Connection } from "./connection.ts";
import type { Transaction } from "./transaction.ts";

/** What an engine does for the verbs of a subject that are rules of ../rules, all of it in one transaction. */
export interface Subject<Ask, Seen, Change> {
  /** Reads what the rules look at. */
  see(transaction: Transaction, ask: Ask): Seen;
  /** Writes what a rule has decided, but for the audit. */
  write(transaction: Transaction, change: Change, ask: Ask): void;
}

/** The verbs of a subject. */
export function decideBy<Ask, Seen, Change>(
  connection: Connection,
  subject: Subject<Ask, Seen, Change>,
): Decide<Ask, Seen, Change> {
  return (ask, rule) => connection.write((transaction) => decideWithin(transaction, subject, ask, rule));
}

/** One of them as a part of another transition. */
export function decideWithin<Ask, Seen, Change, Answer>(
  transaction: Transaction,
  { see, write }: Subject<Ask, Seen, Change>,
  ask: Ask,
  rule: (seen: Seen, deciding: Deciding) => Decision<Answer, Change>,
): Answer {
  const { now, call } = transaction;
  const decided = rule(see(transaction, ask), { now, actorOf: (named) => actorOf(named, call) });
  if (decided.change !== undefined) write(transaction, decided.change, ask);
  for (const entry of decided.entries ?? []) audit(transaction, entry);
  return decided.answer;
}
