import type { DeadLetterFilter } from "../model/message.ts";
import type { DeadLetterSelection } from "./calls.ts";
import type { Decide } from "./decision.ts";
import { type List, listPage } from "./list-page.ts";
import { type DeadLetterChange, decidePurge, decideRedrive, type SeenDeadLetters } from "./rules/dead-letters.ts";
import type { Store } from "./store.ts";
import type { StoredMessage } from "./stored-values.ts";

/** The verbs of dead letters, over what an engine reads and writes. */

/** Dead letters to be listed: at most `rows`, behind a position. */
export interface DeadLetterRange {
  endedAt: number;
  arrival: number;
  rows: number;
}

/** One of a list; only what the page shows is read. */
export interface ListedDeadLetter {
  endedAt: number;
  arrival: number;
  read(): StoredMessage;
}

/** What an engine does for dead letters. */
export interface DeadLetterEngine {
  decide: Decide<DeadLetterSelection, SeenDeadLetters, DeadLetterChange>;
  /** Newest first by the time of dead-lettering. `found`: how many there are, where some are left out because they are long. */
  list<Answer>(
    range: DeadLetterRange,
    filter: Omit<DeadLetterFilter, "before">,
    take: (rows: Iterable<ListedDeadLetter>, found?: number) => Answer,
  ): Promise<Answer>;
}

const DEAD_LETTERS: List<ListedDeadLetter, StoredMessage> = {
  shape: 2,
  read: (row) => row.read(),
  positionOf: ({ endedAt, arrival }) => [endedAt, arrival],
};

/** The verbs of the store that are about dead letters. */
export function deadLetterVerbs(engine: DeadLetterEngine) {
  return {
    async listDeadLetters({ limit, cursor, ...filter }) {
      const { after, rows, take } = listPage(DEAD_LETTERS, { list: "dead-letters", ...filter }, { limit, cursor });
      const [endedAt, arrival] = after ?? [Number.MAX_SAFE_INTEGER, 0];
      return engine.list({ endedAt: Number(endedAt), arrival: Number(arrival), rows }, filter, take);
    },
    redriveDeadLetters: (selection) => engine.decide(selection, (seen) => decideRedrive(selection.dryRun, seen)),
    purgeDeadLetters: (selection) => engine.decide(selection, (seen) => decidePurge(selection.dryRun, seen)),
  } satisfies Partial<Store>;
}
