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

/** The page that a query asks for. The hours may move on between two pages: a cursor belongs to the rest of the query. */
export function usagePage(query: UsageQuery): ListPage<UsageLineRow, UsageLine> {
  const { by, supervisor, agentId, taskType } = query;
  const filters = { list: "usage", by: [...by].sort(), supervisor, agentId, taskType };
  return listPage(
    { shape: "text", read: (row: UsageLineRow) => lineOf(row, by), positionOf: (row) => [row.place] },
    filters,
    query,
  );
}
