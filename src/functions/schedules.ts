import { OWN_NEW_SCHEDULE, OWN_SCHEDULE, OWN_SCHEDULES } from "../lib/http/own-schedules.ts";
import { defineRoute } from "../lib/http/route.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";
import { WORKFLOW_REQUEST_MAX_BYTES } from "../lib/model/limits.ts";
import { assigning } from "./allowed-callers.ts";
import { PUT_SCHEDULE, SCHEDULE, SCHEDULE_SUMMARY } from "./schedule-examples.ts";

/** The routes of tasks and workflows that are created again and again. */

export const putSchedule = defineRoute({
  key: "PUT /schedules/{scheduleId}",
  name: "putSchedule",
  summary: "Creates a schedule, or replaces it",
  description:
    "At each due time it creates a `task` as `POST /tasks` takes it, or a `workflow` as `POST /workflows` does, without supervisor and ids. `cron` has five fields; where day of month and day of week are both given, one has to fit. With `overlap: skip` a due time is skipped while what the last firing created is open. Due times missed by more than 60 s fire as one, the newest. What was due stays due where `cron` and `timezone` stay.",
  example: { body: PUT_SCHEDULE, reply: { ...SCHEDULE, firings: [] } },
  longWork: true,
  idle: false,
  allow: assigning(OWN_NEW_SCHEDULE),
  statuses: [200, 201],
  maxBodyBytes: WORKFLOW_REQUEST_MAX_BYTES,
  async handler(services, { params, body }) {
    const { schedule, created } = await services.schedules.put(params.scheduleId, body);
    return { status: created ? 201 : 200, body: schedule };
  },
});

export const listSchedules = defineRoute({
  key: "GET /schedules",
  name: "listSchedules",
  summary: "Lists schedules, ordered by id",
  description: "Without what they create and their firings.",
  example: { reply: { schedules: [SCHEDULE_SUMMARY], nextCursor: null } },
  idle: false,
  allow: assigning(OWN_SCHEDULES),
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.schedules.list(query) };
  },
});

export const getSchedule = defineRoute({
  key: "GET /schedules/{scheduleId}",
  name: "getSchedule",
  summary: "Reads a schedule with its next due time and last firings",
  description:
    "The last ten firings, newest first, each with the status of the task or workflow that it has created. `enabled` is false as well after three refused firings in a row.",
  example: { reply: SCHEDULE },
  idle: false,
  allow: assigning(OWN_SCHEDULE),
  statuses: [200],
  async handler(services, { params }) {
    return { status: 200, body: await services.schedules.get(params.scheduleId) };
  },
});

export const deleteSchedule = defineRoute({
  key: "DELETE /schedules/{scheduleId}",
  name: "deleteSchedule",
  summary: "Deletes a schedule",
  description: "What it has created stays and goes on.",
  example: { reply: { scheduleId: SCHEDULE.scheduleId } },
  idle: false,
  allow: assigning(OWN_SCHEDULE),
  statuses: [200],
  async handler(services, { params: { scheduleId } }) {
    if (!(await services.schedules.delete(scheduleId))) {
      throw new AgentCommunicationError("NOT_FOUND", `There is no schedule ${scheduleId}.`);
    }
    return { status: 200, body: { scheduleId } };
  },
});

export const triggerSchedule = defineRoute({
  key: "POST /schedules/{scheduleId}/trigger",
  name: "triggerSchedule",
  summary: "Creates now what a schedule creates",
  description:
    "Whether it is enabled or not, and whatever is open. The due times stay as they are. What it creates has an id that begins `schedule:<scheduleId>:trigger-`.",
  example: {
    reply: {
      firedAt: "2026-03-01T09:30:00.000Z",
      taskId: "schedule:nightly-backup:trigger-9TjVfkMEuGfAuYPbGb2v",
      status: "assigned",
    },
  },
  longWork: true,
  idle: false,
  allow: assigning(OWN_SCHEDULE),
  statuses: [200],
  async handler(services, { params, header }) {
    const options = { idempotencyKey: header("idempotency-key") };
    return { status: 200, body: await services.schedules.trigger(params.scheduleId, options) };
  },
});
