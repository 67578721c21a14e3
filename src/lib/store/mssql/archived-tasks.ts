import { z } from "zod";
import { type TaskEvent, taskEventSchema } from "../../model/task-history.ts";

/**
 * Tasks in the archive: documents. Here the verbs read them in their own batch, where they did not find the task, and parse
 * them with this, ../task-reading.ts and ../archived-attempts.ts: another round trip would cost more than the look into one more table.
 */

/** Oldest first; an event's number is its place, from 1. */
export function parseArchivedEvents(events: string): TaskEvent[] {
  return z.array(taskEventSchema).parse(JSON.parse(events));
}
