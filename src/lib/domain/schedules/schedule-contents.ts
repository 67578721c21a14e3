import type { z } from "zod";
import type { JsonValue } from "../../model/json.ts";
import { parse } from "../../model/parse.ts";
import {
  type PutSchedule,
  type ScheduledTask,
  type ScheduledWorkflow,
  scheduledTaskSchema,
  scheduledWorkflowSchema,
} from "../../model/schedule.ts";
import type { ContentEncryption } from "../../security/content-encryption.ts";
import type { Place } from "../../security/envelope.ts";
import type { Sealed, StoredSchedule } from "../../store/store.ts";
import { charged } from "../../trace/call-context.ts";

/** What schedules create: encrypted as a whole on the way into the store where any of it is sensitive. */

/** A task or a workflow; neither where it cannot be decrypted any more. */
export interface Template {
  task?: ScheduledTask;
  workflow?: ScheduledWorkflow;
}

const placeOf = (scheduleId: string): Place => ({ kind: "schedule", id: scheduleId, field: "contents" });

export class ScheduleContents {
  readonly #encryption: ContentEncryption;

  constructor(encryption: ContentEncryption) {
    this.#encryption = encryption;
  }

  /** @throws KEY_UNAVAILABLE */
  async seal(scheduleId: string, { task, workflow }: PutSchedule): Promise<Sealed> {
    const value = toJson(task === undefined ? { workflow } : { task });
    const marks = [task, ...(workflow?.tasks ?? [])].map((part) => part?.sensitive);
    if (!marks.some((sensitive) => this.#encryption.covers(sensitive))) return { value };
    return this.#encryption.encrypt(await this.#encryption.currentKey(), placeOf(scheduleId), value);
  }

  /** @throws KEY_UNAVAILABLE */
  async open({ scheduleId, contents }: StoredSchedule): Promise<Template> {
    const { value, keyVersion } = contents;
    if (keyVersion === undefined) return readTemplate(value);
    const decrypted = await this.#encryption.decrypt(placeOf(scheduleId), value, keyVersion);
    return decrypted.state === "read" ? readTemplate(decrypted.value) : {};
  }
}

/** Left-out members are left out of JSON, too. */
function toJson(value: object): JsonValue {
  return JSON.parse(JSON.stringify(value));
}

function readTemplate(value: JsonValue): Template {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  const { task, workflow } = value;
  if (task !== undefined) return { task: read(scheduledTaskSchema, task) };
  return workflow === undefined ? {} : { workflow: read(scheduledWorkflowSchema, workflow) };
}

/** What an older release has stored and this one does not take is refused when it fires. @throws INVALID_REQUEST */
function read<Schema extends z.ZodType>(schema: Schema, value: JsonValue): z.output<Schema> {
  return charged(() => parse(schema, value, "stored contents of the schedule"));
}
