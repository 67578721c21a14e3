import { nextRound } from "../../base/event-loop.ts";
import type { UsageLine } from "../../model/usage.ts";
import { USAGE_COLUMNS } from "../rules/usage.ts";
import type { Paged, UsageQuery } from "../store.ts";
import { bucketMilliseconds, GROUP_COLUMNS, tooManyHours, type UsageLineRow, usagePage } from "../usage-reading.ts";
import type { Connection } from "./connection.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Sums of the hours of usage. They are made piece by piece, with a turn for others between two: 300,000 hours in one statement took 0.5 s of
 * the processor, in which nobody else was served.
 */

/** Hours that one piece reads: some 4 ms. */
const PIECE_ROWS = 2_000;

const COLUMNS = Object.values(USAGE_COLUMNS);
/** The key of the table, in the order of its index. */
const KEY = ["hour", "agent_id", "task_type", "supervisor_id", "provider", "model"];
const KEYS = KEY.join(", ");
const PLACES = KEY.map((_, n) => `?${n + 1}`).join(", ");
/** ?1 to ?6 behind which row, ?7 before which hour: the last row of the piece. */
const LAST = `SELECT ${KEYS} FROM usage_hours WHERE (${KEYS}) > (${PLACES}) AND hour < ?7 ORDER BY ${KEYS} LIMIT 1 OFFSET ${PIECE_ROWS - 1}`;

const GROUPS = ["bucket", ...Object.values(GROUP_COLUMNS)].join(", ");
/** ?1 to ?6 behind which row, ?7 to ?12 up to which, ?13 width of a bucket, ?14 to ?18 which names to tell apart, ?19 to ?21 filters. */
const SUMS = `SELECT bucket || '!' || ${Object.values(GROUP_COLUMNS).join(" || '!' || ")} AS place, ${GROUPS},
    ${COLUMNS.map((column) => `sum(${column}) AS ${column}`).join(", ")}
  FROM (SELECT hour - hour % ?13 AS bucket, ${Object.values(GROUP_COLUMNS)
    .map((column, n) => `iif(?${n + 14}, ${column}, '') AS ${column}`)
    .join(", ")}, ${COLUMNS.join(", ")}
    FROM usage_hours WHERE (${KEYS}) > (${PLACES}) AND (${KEYS}) <= (${KEY.map((_, n) => `?${n + 7}`).join(", ")})
      AND (?19 IS NULL OR supervisor_id = ?19) AND (?20 IS NULL OR agent_id = ?20) AND (?21 IS NULL OR task_type = ?21))
  GROUP BY ${GROUPS}`;

const HAS_MORE = "SELECT 1 FROM usage_hours WHERE hour >= ? AND hour < ? LIMIT 1 OFFSET ?";

type Place = [hour: number, ...names: string[]];

interface KeyRow {
  hour: number;
  agent_id: string;
  task_type: string;
  supervisor_id: string;
  provider: string;
  model: string;
}

/** Before every row of the hour: no agent's id is empty. */
const beginningOf = (hour: number): Place => [hour, "", "", "", "", ""];

interface Piece {
  rows: UsageLineRow[];
  /** The last row that was looked at; undefined: there are no more. */
  last: Place | undefined;
}

function readPiece(transaction: Transaction, query: UsageQuery, behind: Place): Piece {
  const { to, by, supervisor = null, agentId = null, taskType = null } = query;
  const end = transaction.get<KeyRow>(LAST, ...behind, to);
  const last: Place | undefined = end && [
    end.hour,
    end.agent_id,
    end.task_type,
    end.supervisor_id,
    end.provider,
    end.model,
  ];
  const told = (["agent", "taskType", "supervisor", "provider", "model"] as const).map((name) =>
    by.includes(name) ? 1 : 0,
  );
  const values = [...behind, ...(last ?? beginningOf(to)), bucketMilliseconds(by), ...told];
  return { rows: transaction.all<UsageLineRow>(SUMS, ...values, supervisor, agentId, taskType), last };
}

/** The lines of a page: those with the lowest places, of however many there are. */
class Lines {
  readonly #byPlace = new Map<string, UsageLineRow>();
  readonly #behind: string;
  readonly #most: number;

  /** @param behind places up to this are of earlier pages @param most lines of the page */
  constructor(behind: string, most: number) {
    this.#behind = behind;
    this.#most = most;
  }

  add(row: UsageLineRow): void {
    if (row.place <= this.#behind) return;
    const line = this.#byPlace.get(row.place);
    if (line === undefined) this.#byPlace.set(row.place, row);
    else for (const column of COLUMNS) line[column] += row[column];
  }

  /** In their order. What is beyond the page is forgotten: the lines before it only become more. */
  lowest(): UsageLineRow[] {
    const places = [...this.#byPlace.keys()].sort();
    for (const place of places.slice(this.#most)) this.#byPlace.delete(place);
    return [...this.#byPlace.values()].sort((a, b) => (a.place < b.place ? -1 : 1));
  }

  /** Whether nothing of the bucket or of later ones can come onto the page. */
  isFullBefore(bucket: number): boolean {
    const lines = this.lowest();
    return lines.length === this.#most && (lines.at(-1)?.bucket ?? bucket) < bucket;
  }
}

/** Sums of the hours, of those that there are when each is read. */
export async function sumHours(connection: Connection, query: UsageQuery): Promise<Paged<UsageLine>> {
  const { from: first, maxRows, after, rows, take } = usagePage(query);
  const more = await connection.read((transaction) => transaction.get(HAS_MORE, first, query.to, maxRows));
  if (more !== undefined) throw tooManyHours(first, maxRows);
  const width = bucketMilliseconds(query.by);
  const lines = new Lines(String(after?.[0] ?? ""), rows);
  let place: Place | undefined = beginningOf(first);
  while (place !== undefined) {
    const from: Place = place;
    const piece: Piece = await connection.read((transaction) => readPiece(transaction, query, from));
    for (const row of piece.rows) lines.add(row);
    place = piece.last;
    if (place === undefined || lines.isFullBefore(place[0] - (place[0] % width))) break;
    await nextRound();
  }
  return take(lines.lowest());
}
