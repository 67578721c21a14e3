import type { UsageGroup } from "../lib/model/usage.ts";
import type { CallOptions } from "./route-caller.ts";
import type { BodyOf, QueryOf } from "./route-types.ts";
import { ScheduleClient } from "./schedule-client.ts";

/** What `usage` asks for: as `GET /usage`, and `by` as a list, too. */
export type UsageFilter = Omit<QueryOf<"GET /usage">, "by"> & { by?: string | readonly UsageGroup[] | undefined };

/** The routes of usage. */
export class UsageClient extends ScheduleClient {
  /**
   * Books what an attempt has used since it began, by provider and model; what is more than before counts. Also of an attempt that was
   * lost or has ended.
   *
   * @throws AgentCommunicationError LEASE_LOST: no attempt of this agent, or its task is archived; USAGE_LIMIT
   * @example
   * const usage = [{ provider: "openai", model: "gpt-5", inputTokens: 900, outputTokens: 80 }];
   * await client.reportUsage("build-1", { agentId: "backend-1", attempt: 1, usage });
   */
  reportUsage(taskId: string, body: BodyOf<"POST /tasks/{taskId}/usage">, options?: CallOptions) {
    return this.call("POST /tasks/{taskId}/usage", { params: { taskId }, body }, options);
  }

  /**
   * Sums of usage in whole hours, by default of the last 30 days.
   *
   * @example
   * const { usage } = await client.usage({ by: ["day", "model"], from: "2026-03-01T00:00:00Z" });
   */
  usage({ by, ...rest }: UsageFilter = {}, options?: CallOptions) {
    const query = { ...rest, by: typeof by === "string" ? by : by?.join(",") };
    return this.call("GET /usage", { query }, options);
  }
}
