import type { z } from "zod";
import { AgentCommunicationError } from "../../model/errors.ts";
import { parse } from "../../model/parse.ts";
import {
  type GetUsageReply,
  getUsageQuerySchema,
  groupsOf,
  type ReportUsageReply,
  reportUsageSchema,
  USAGE_DEFAULT_DAYS,
} from "../../model/usage.ts";
import { idSchema } from "../../model/values.ts";
import type { Store } from "../../store/store.ts";
import { currentCall } from "../../trace/call-context.ts";

const HOUR_MILLISECONDS = 3_600_000;
const DAY_MILLISECONDS = 24 * HOUR_MILLISECONDS;

/** What attempts of tasks have used of models, and what that has cost. */
export class TaskUsage {
  readonly #store: Store;

  constructor(options: { store: Store }) {
    this.#store = options.store;
  }

  /**
   * Books what an attempt has used beyond what it has reported before, whether it is the current one or has ended in whatever way, until
   * its task is archived: what was spent is spent.
   *
   * @throws TASK_NOT_FOUND, LEASE_LOST, AGENT_NOT_FOUND, AGENT_DEREGISTERED, USAGE_LIMIT
   * @example
   * await usage.report("build-1", { agentId: "w", attempt: 1, usage: [{ model: "m", inputTokens: 900, outputTokens: 80 }] });
   */
  async report(taskId: string, input: z.input<typeof reportUsageSchema>): Promise<ReportUsageReply> {
    const id = parse(idSchema, taskId, "task id");
    return this.#store.reportUsage(id, parse(reportUsageSchema, input));
  }

  /**
   * Sums of whole hours, by default of the last 30 days.
   *
   * @throws INVALID_REQUEST for a time that ends before it begins
   * @example
   * await usage.read({ by: "model,day", supervisor: "lead" });
   */
  async read(query: z.input<typeof getUsageQuerySchema> = {}): Promise<GetUsageReply> {
    const { from: first, to: last, by, ...rest } = parse(getUsageQuerySchema, query);
    const to = upToHour(last === undefined ? this.#store.now() + 1 : Date.parse(last));
    const from = downToHour(first === undefined ? to - USAGE_DEFAULT_DAYS * DAY_MILLISECONDS : Date.parse(first));
    if (from >= to) {
      const message = "must be later than from";
      throw new AgentCommunicationError("INVALID_REQUEST", `to ${message}.`, { errors: [{ path: "to", message }] });
    }
    const since = Math.max(from, downToHour(await this.#registeredSince()));
    const { items, nextCursor } = await this.#store.readUsage({ ...rest, from: since, to, by: groupsOf(by) });
    return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), usage: items, nextCursor };
  }

  /** Hours outlive agents: what is older than a supervisor was used by the tasks of another one of its name. 0: the caller sees all. */
  async #registeredSince(): Promise<number> {
    const { actor, role } = currentCall();
    return role === "supervisor" ? Date.parse((await this.#store.getAgent(actor)).registeredAt) : 0;
  }
}

function downToHour(time: number): number {
  return Math.floor(time / HOUR_MILLISECONDS) * HOUR_MILLISECONDS;
}

function upToHour(time: number): number {
  return Math.ceil(time / HOUR_MILLISECONDS) * HOUR_MILLISECONDS;
}
