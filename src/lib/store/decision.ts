import type { NewAuditEntry } from "../model/audit.ts";

/**
 * How the verbs that are rarely called are written: their rules are pure functions in rules/, from the rows that were read to the
 * rows to write, and stand once. An engine reads what a rule looks at, and writes what it has decided, if that is still as it
 * was read: SQLite in one transaction, Azure SQL by two procedures.
 */

/** What a rule has decided; it throws what it refuses. */
export interface Decision<Answer, Change> {
  answer: Answer;
  /** The rows to write; absent: nothing changes. */
  change?: Change;
  /** Entries for the audit. An entry without an actor names the caller. */
  entries?: readonly NewAuditEntry[];
}

/** When, and on whose behalf. */
export interface Deciding {
  /** Milliseconds. */
  now: number;
  /** Who answers for the change; `named`: where nobody said who calls. */
  actorOf(named?: string): string;
}

/**
 * Reads what `ask` names, decides by the rule, and writes the change. The rule may be asked again, about newer rows, until
 * nothing has changed between reading and writing; a change that was written, but whose answer was lost, is not made twice.
 */
export type Decide<Ask, Seen, Change> = <Answer>(
  ask: Ask,
  rule: (seen: Seen, deciding: Deciding) => Decision<Answer, Change>,
) => Promise<Answer>;
