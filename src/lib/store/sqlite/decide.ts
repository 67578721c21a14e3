import { actorOf } from "../../trace/call-context.ts";
import type { Decide } from "../decision.ts";
import { audit } from "./audit.ts";
import type { Connection } from "./connection.ts";
import type { Transaction } from "./transaction.ts";

/**
 * How the verbs of a subject are carried out that are rules of ../rules: reads, decides and writes in one transaction.
 *
 * @param see reads what the rules look at
 * @param write writes what a rule has decided, but for the audit
 */
export function decideIn<Ask, Seen, Change>(
  connection: Connection,
  see: (transaction: Transaction, ask: Ask) => Seen,
  write: (transaction: Transaction, change: Change, ask: Ask) => void,
): Decide<Ask, Seen, Change> {
  return (ask, rule) =>
    connection.write((transaction) => {
      const deciding = {
        now: transaction.now,
        actorOf: (named?: string) => actorOf(named, transaction.call),
      };
      const { answer, change, entries = [] } = rule(see(transaction, ask), deciding);
      if (change !== undefined) write(transaction, change, ask);
      for (const entry of entries) audit(transaction, entry);
      return answer;
    });
}
