import type { DeadLetterEngine, ListedDeadLetter } from "../dead-letter-verbs.ts";
import type { DeadLetter, DeadLetterChange, SeenDeadLetters } from "../rules/dead-letters.ts";
import type { DeadLetterSelection } from "../store.ts";
import { type BatchResult, bigint, id, int, text, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { decideBy, type Subject } from "./decide.ts";
import { type ReadableMessageRow, readMessage } from "./message-rows.ts";
import { procedure } from "./procedures.ts";

/** Dead letters: rows that are read, and rows that rules/dead-letters.ts wants written. */

const LIST = procedure("list_dead_letters");
const READ = procedure("read_dead_letters");
const REDRIVE = procedure("redrive_dead_letters");
const PURGE = procedure("purge_dead_letters");

/** What the verbs of dead letters read and write. */
export function deadLetterEngine(connection: Connection): DeadLetterEngine {
  return {
    decide: decideBy(connection, deadLetters(connection.settings.maxMailbox)),
    async list({ endedAt, arrival, rows }, { receiver = null, type = null, reason = null }, take) {
      const filter = { receiver: id(receiver), type: word(type), reason: text(reason) };
      const range = { endedAt: bigint(endedAt), arrival: bigint(arrival), limit: int(rows) };
      const found = (await connection.query(LIST, { ...filter, ...range })).rows<
        ReadableMessageRow & { found: number }
      >(0);
      const letters = found.map((row) => ({ ...positionOf(row), read: () => readMessage(row) }));
      return take(letters.sort(byPosition), found[0]?.found);
    },
  };
}

function positionOf(row: ReadableMessageRow) {
  return { endedAt: row.ended_at ?? 0, arrival: row.arrival };
}

function byPosition(a: ListedDeadLetter, b: ListedDeadLetter): number {
  return b.endedAt - a.endedAt || b.arrival - a.arrival;
}

function deadLetters(maxMailbox: number): Subject<DeadLetterSelection, SeenDeadLetters, DeadLetterChange> {
  return {
    name: "dead-letters",
    read: READ,
    ask: ({ messageIds, filter }) => ({
      ids: text(messageIds === undefined ? null : JSON.stringify(messageIds)),
      receiver: id(filter?.receiver ?? null),
      type: word(filter?.type ?? null),
      reason: text(filter?.reason ?? null),
      before: bigint(filter?.before === undefined ? null : Date.parse(filter.before)),
    }),
    see: (result) => seeDeadLetters(result, maxMailbox),
    write: ({ step, letters }) => ({
      sql: step === "redrive" ? REDRIVE : PURGE,
      inputs: { arrivals: text(JSON.stringify(letters.map(({ arrival }) => arrival))) },
    }),
    // Up to a thousand rows each: one after the other.
    key: () => "",
  };
}

interface ReceiverRow {
  agent_no: number;
  agent_id: string;
  registered: number;
  depth: number;
}

function seeDeadLetters(result: BatchResult, maxMailbox: number): SeenDeadLetters {
  const receivers = new Map(result.rows<ReceiverRow>(2).map((row) => [row.agent_no, row]));
  return {
    letters: result.rows<DeadLetter>(1),
    receiver(receiverNo) {
      const row = receivers.get(receiverNo);
      if (row === undefined) throw new Error(`agent number ${receiverNo} is referred to but was not read`);
      return { agentId: row.agent_id, isRegistered: row.registered === 1, depth: row.depth };
    },
    maxMailbox,
  };
}
