import { AgentCommunicationError } from "../model/errors.ts";
import { USAGE_ROWS_MAX } from "../model/limits.ts";
import type { UsageGroup, UsageLine } from "../model/usage.ts";
import type { UsageQuery } from "./calls.ts";
import { DAY_MILLISECONDS, HOUR_MILLISECONDS, iso } from "./instants.ts";
import { type ListPage, listPage } from "./list-page.ts";
import { pairUsage, sumsOfColumns, type UsageColumns, type UsageRow } from "./rules/usage.ts";

/** How stored usage reads to callers, whichever engine keeps it. */

/** One provider and model of an attempt or task; an empty name where none was reported. */
export type PairColumns = UsageColumns & Pick<UsageRow, "provider" | "model">;

export function usageRowOf(row: PairColumns): UsageRow {
  return { provider: row.provider, model: row.model, ...sumsOfColumns(row) };
}

/** One sum. A text is empty, and `bucket` 0, where the query does not tell these apart. */
export type UsageLineRow = PairColumns & {
  /** Where it stands in the list: its names behind its time. */
  place: string;
  /** The beginning of the hour or day, in milliseconds. */
  bucket: number;
  agent_id: string;
  task_type: string;
  supervisor_id: string;
};

/** The groups that are columns, each with its own. */
export const GROUP_COLUMNS = {
  agent: "agent_id",
  taskType: "task_type",
  supervisor: "supervisor_id",
  provider: "provider",
  model: "model",
} as const satisfies Partial<Record<UsageGroup, keyof UsageLineRow>>;

/** How long a bucket of time is in milliseconds; so long that there is one where time is not told apart. */
export function bucketMilliseconds(by: readonly UsageGroup[]): number {
  if (by.includes("hour")) return HOUR_MILLISECONDS;
  return by.includes("day") ? DAY_MILLISECONDS : Number.MAX_SAFE_INTEGER;
}

function lineOf(row: UsageLineRow, by: readonly UsageGroup[]): UsageLine {
  const line: UsageLine = pairUsage(usageRowOf(row));
  if (by.includes("hour")) line.hour = iso(row.bucket);
  if (by.includes("day")) line.day = iso(row.bucket - (row.bucket % DAY_MILLISECONDS));
  if (by.includes("agent")) line.agentId = row.agent_id;
  if (by.includes("taskType")) line.taskType = row.task_type;
  if (by.includes("supervisor")) line.supervisor = row.supervisor_id;
  return line;
}

/** The page of a query, and the rows that it may read. */
export interface UsagePage extends ListPage<UsageLineRow, UsageLine> {
  /** The first hour that the page can have something of: a place begins with its time. */
  from: number;
  maxRows: number;
}

/** The page that a query asks for. The hours may move on between two pages: a cursor belongs to the rest of the query. */
export function usagePage(query: UsageQuery): UsagePage {
  const { by, supervisor, agentId, taskType, maxRows = USAGE_ROWS_MAX } = query;
  const filters = { list: "usage", by: [...by].sort(), supervisor, agentId, taskType };
  const page = listPage<UsageLineRow, UsageLine>(
    { shape: "text", read: (row: UsageLineRow) => lineOf(row, by), positionOf: (row) => [row.place] },
    filters,
    query,
  );
  const reached = Number.parseInt(String(page.after?.[0] ?? ""), 10);
  return { ...page, from: Math.max(query.from, Number.isNaN(reached) ? 0 : reached), maxRows };
}

/** The hours have more rows than may be read: how much time would do is for the caller to find. */
export function tooManyHours(from: number, maxRows: number): AgentCommunicationError {
  const message = `the hours from ${iso(from)} on have more than ${maxRows} rows; ask for a shorter time`;
  return new AgentCommunicationError("INVALID_REQUEST", `from: ${message}.`, { errors: [{ path: "from", message }] });
}
