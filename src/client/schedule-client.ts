import { RegistryClient } from "./registry-client.ts";
import type { CallOptions } from "./route-caller.ts";
import type { BodyOf, QueryOf } from "./route-types.ts";

/** The routes of schedules; the rest of them is in AgentClient. */
export class ScheduleClient extends RegistryClient {
  /**
   * Creates a schedule of the supervisor, or replaces what it has under the id (at most 90 characters).
   *
   * @example
   * await client.putSchedule("nightly-backup", {
   *   supervisor: "lead",
   *   cron: "0 3 * * *",
   *   timezone: "Europe/Berlin",
   *   overlap: "skip",
   *   task: { taskType: "backup", requiredCapabilities: ["database"] },
   * });
   */
  putSchedule(scheduleId: string, schedule: BodyOf<"PUT /schedules/{scheduleId}">, options?: CallOptions) {
    return this.call("PUT /schedules/{scheduleId}", { params: { scheduleId }, body: schedule }, options);
  }

  /** By id, without what they create and their firings. */
  listSchedules(query: QueryOf<"GET /schedules"> = {}, options?: CallOptions) {
    return this.call("GET /schedules", { query }, options);
  }

  /** With its next due time, and the last ten firings and what has become of them. */
  getSchedule(scheduleId: string, options?: CallOptions) {
    return this.call("GET /schedules/{scheduleId}", { params: { scheduleId } }, options);
  }

  /** What it has created stays. */
  deleteSchedule(scheduleId: string, options?: CallOptions) {
    return this.call("DELETE /schedules/{scheduleId}", { params: { scheduleId } }, options);
  }

  /** Creates its task or workflow now. The Idempotency-Key is made here when none is given, so that a repeat creates nothing twice. */
  triggerSchedule(scheduleId: string, options?: CallOptions) {
    return this.call("POST /schedules/{scheduleId}/trigger", { params: { scheduleId } }, options);
  }
}
