import { z } from "zod";
import { type Task, type TaskEvent, taskEventSchema, taskSchema } from "../../tasks/task.ts";

/**
 * Tasks in the archive: documents. Here the verbs read them in their own batch, where they did not find the task, and parse
 * them with these and with ../archived-attempts.ts: another round trip would cost more than the look into one more table.
 */

/** The task as callers see it. */
export function parseArchivedTask(task: string): Task {
  return { ...taskSchema.parse(JSON.parse(task)), archived: true };
}

/** Oldest first; an event's number is its place, from 1. */
export function parseArchivedEvents(events: string): TaskEvent[] {
  return z.array(taskEventSchema).parse(JSON.parse(events));
}
