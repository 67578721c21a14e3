import type { ReportUsage, ReportUsageReply, UsageLine } from "../model/usage.ts";
import type { Paged, UsageQuery } from "./calls.ts";

/** The verbs of the store that are about usage alone; progress, complete, fail and suspend report it as well. */
export interface UsageStore {
  /**
   * Books what an attempt has used beyond what it has reported before: of the current attempt, and of one that has ended in whatever way,
   * until its task is archived. It counts as cost only. @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, TASK_NOT_FOUND, LEASE_LOST (no
   * attempt of this agent, or archived), USAGE_LIMIT
   */
  reportUsage(taskId: string, report: ReportUsage): Promise<ReportUsageReply>;
  /**
   * Sums of the hours, in the order of their times, then of agents, task types, supervisors, providers and models.
   *
   * @throws INVALID_REQUEST when the hours have more rows than the query may read; a page begins with the time at which the one before ended
   */
  readUsage(query: UsageQuery): Promise<Paged<UsageLine>>;
}
