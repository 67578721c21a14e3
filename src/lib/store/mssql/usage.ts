import { MAINTENANCE_BATCH_ROWS } from "../../model/limits.ts";
import type { PairUsage, ReportUsage, ReportUsageReply, Usage, UsageLine } from "../../model/usage.ts";
import { columnsOf, pairUsage, taskUsage, type UsageRow, usageRow } from "../rules/usage.ts";
import type { Paged, UsageQuery } from "../store.ts";
import type { Step } from "../upkeep-runs.ts";
import {
  bucketMilliseconds,
  type PairColumns,
  tooManyHours,
  type UsageLineRow,
  usagePage,
  usageRowOf,
} from "../usage-reading.ts";
import { wakeAgent } from "./activity.ts";
import { type Batch, bigint, bit, type Input, id, int, type OutcomeRow, outcomeRows, place, text } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";
import { type Call, encodeCaller, refusal } from "./task-calls.ts";
import { upkeepStep } from "./upkeep-step.ts";

/** What attempts have used of models: their totals, and the hours in which it was reported. */

/** What calls report, beside their items: one list of all, each with the place of its call; null when none reports anything. */
export function usageInput(usages: readonly (Usage | undefined)[]): { usage: Input } {
  const rows = usages.flatMap((usage = [], item) =>
    usage.map(usageRow).map((row) => ({ item, provider: row.provider, model: row.model, ...columnsOf(row) })),
  );
  return { usage: text(rows.length === 0 ? null : JSON.stringify(rows)) };
}

interface Reported {
  usage: PairUsage[];
  wakes: boolean;
}

/** Calls in one batch: each has at most eight pairs. */
const CALLS_PER_BATCH = 64;

const REPORTS: Batch<Call<ReportUsage>, Reported> = {
  name: "report-usage",
  sql: procedure("report_usage"),
  encode: encodeCaller,
  inputs: (items) => usageInput(items.map(({ body }) => body.usage)),
  decode(result, calls) {
    const totals = result.byItem<PairColumns & { item: number }>(1);
    return outcomeRows<OutcomeRow & { inactive: boolean }>(result, calls).map(({ item, code, inactive }) => {
      const call = calls[item] as Call<ReportUsage>;
      if (code !== null) return refusal(code, call);
      return { value: { usage: (totals.get(item) ?? []).map(usageRowOf).map(pairUsage), wakes: inactive } };
    });
  },
  maxItems: CALLS_PER_BATCH,
  conflictKey: ({ taskId }) => taskId,
};

/** Books what an attempt has used: the current one, or one that has ended. Refusals are those of the contract (usage-store.ts). */
export async function reportUsage(
  connection: Connection,
  taskId: string,
  report: ReportUsage,
): Promise<ReportUsageReply> {
  const { usage, wakes } = await connection.run(REPORTS, { taskId, body: report });
  if (wakes) await wakeAgent(connection, report.agentId);
  return { taskId, attempt: report.attempt, usage };
}

type TaskPair = PairColumns & { task_no: number };

/** What the attempts of each task have used, from the recordset of usage-of-tasks. */
export function usageByTask(rows: readonly TaskPair[]): Map<number, PairUsage[]> {
  const pairs = new Map<number, UsageRow[]>();
  for (const row of rows) {
    const ofTask = pairs.get(row.task_no);
    if (ofTask === undefined) pairs.set(row.task_no, [usageRowOf(row)]);
    else ofTask.push(usageRowOf(row));
  }
  return new Map([...pairs].map(([taskNo, ofTask]) => [taskNo, taskUsage(ofTask) ?? []]));
}

const READ = procedure("read_usage");

/** Sums of the hours. */
export async function readUsage(connection: Connection, query: UsageQuery): Promise<Paged<UsageLine>> {
  const { to, by, supervisor, agentId, taskType } = query;
  const { from, maxRows, after, rows, take } = usagePage(query);
  const result = await connection.query(READ, {
    from: bigint(from),
    to: bigint(to),
    supervisor: id(supervisor ?? null),
    agentId: id(agentId ?? null),
    taskType: id(taskType ?? null),
    width: bigint(bucketMilliseconds(by)),
    byAgent: bit(by.includes("agent")),
    byTaskType: bit(by.includes("taskType")),
    bySupervisor: bit(by.includes("supervisor")),
    byProvider: bit(by.includes("provider")),
    byModel: bit(by.includes("model")),
    after: place(String(after?.[0] ?? "")),
    limit: int(rows),
    maxRows: int(maxRows),
  });
  const [{ found } = { found: 0 }] = result.rows<{ found: number }>(0);
  if (found > maxRows) throw tooManyHours(from, maxRows);
  return take(result.rows<UsageLineRow>(1));
}

const DROP = upkeepStep<object, { done: number }>({ name: "drop-old-usage", sql: procedure("drop_old_usage") });

/** Deletes hours past their retention, the oldest first. */
export async function dropOldUsage(connection: Connection): Promise<Step> {
  const { done } = await connection.run(DROP, {});
  return { done, more: done === MAINTENANCE_BATCH_ROWS };
}
