import type { PutScheduleInput, Schedule, ScheduleSummary } from "../lib/model/schedule.ts";

/** The example of the routes of schedules: a backup each night, by the supervisor `lead`. */

export const PUT_SCHEDULE = {
  supervisor: "lead",
  cron: "0 3 * * *",
  timezone: "Europe/Berlin",
  overlap: "skip",
  task: { taskType: "backup", requiredCapabilities: ["database"], timeoutSeconds: 3600 },
} satisfies PutScheduleInput;

export const SCHEDULE_SUMMARY = {
  scheduleId: "nightly-backup",
  supervisor: "lead",
  cron: "0 3 * * *",
  timezone: "Europe/Berlin",
  creates: "task",
  overlap: "skip",
  enabled: true,
  nextDueAt: "2026-03-02T02:00:00.000Z",
  refusals: 0,
  createdAt: "2026-02-27T12:00:00.000Z",
  updatedAt: "2026-02-27T12:00:00.000Z",
} satisfies ScheduleSummary;

export const SCHEDULE = {
  ...SCHEDULE_SUMMARY,
  task: {
    taskType: "backup",
    description: "",
    parameters: null,
    requiredCapabilities: ["database"],
    preferredCapabilities: [],
    priority: "normal",
    timeoutSeconds: 3600,
    dependsOn: [],
  },
  firings: [
    {
      dueAt: "2026-03-01T02:00:00.000Z",
      firedAt: "2026-03-01T02:00:00.004Z",
      outcome: "created",
      taskId: "schedule:nightly-backup:20260301T020000Z",
      status: "completed",
    },
  ],
} satisfies Schedule;
