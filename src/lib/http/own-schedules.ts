import type { OwnCaller } from "../gates/access.ts";
import { AgentCommunicationError, isAgentCommunicationError } from "../model/errors.ts";
import type { Services } from "../services.ts";
import { field, notYou, outsideTasks, type Rule, requireAssignedBy, taskIdsOf } from "./ownership.ts";

/** Whose schedules a caller may see and change. */

/** `{supervisor, task?, workflow?}`: work for oneself, after tasks of one's own. */
export const OWN_NEW_SCHEDULE: Rule = {
  says: "`supervisor` is the caller, and the caller assigned every task in `dependsOn` that is not of the workflow",
  async check(caller, parts, services) {
    if (field(parts.body, "supervisor") !== caller.agentId) throw notYou(caller, "supervisor");
    const taskIds = [...taskIdsOf(member(parts.body, "task")), ...outsideTasks(member(parts.body, "workflow"))];
    await requireAssignedBy(caller, taskIds, services);
    return parts;
  },
};

function member(part: unknown, name: string): unknown {
  return typeof part === "object" && part !== null ? Reflect.get(part, name) : undefined;
}

async function owns({ agentId }: OwnCaller, scheduleId: string, { store }: Pick<Services, "store">): Promise<boolean> {
  try {
    return (await store.getSchedule(scheduleId)).supervisor === agentId;
  } catch (error) {
    if (isAgentCommunicationError(error, "NOT_FOUND")) return false;
    throw error;
  }
}

/** `/schedules/{scheduleId}…` */
export const OWN_SCHEDULE: Rule = {
  says: "the caller is the supervisor of the schedule; otherwise `NOT_FOUND`",
  async check(caller, parts, services) {
    const scheduleId = field(parts.params, "scheduleId") ?? "";
    if (await owns(caller, scheduleId, services)) return parts;
    // The words of the store for one that does not exist.
    throw new AgentCommunicationError("NOT_FOUND", `There is no schedule ${scheduleId}.`);
  },
};

/** `GET /schedules`: narrowed to those of the caller. */
export const OWN_SCHEDULES: Rule = {
  says: "narrowed to the schedules of the caller",
  check(caller, parts) {
    const given = field(parts.query, "supervisor");
    if (given !== undefined && given !== caller.agentId) throw notYou(caller, "supervisor");
    const query = typeof parts.query === "object" && parts.query !== null ? parts.query : {};
    return { ...parts, query: { ...query, supervisor: caller.agentId } };
  },
};
