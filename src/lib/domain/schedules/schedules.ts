import type { z } from "zod";
import { type SendOptions, scopedKey } from "../../base/idempotency.ts";
import { AgentCommunicationError } from "../../model/errors.ts";
import { newId, requestHash } from "../../model/ids.ts";
import { parse } from "../../model/parse.ts";
import {
  type Firing,
  listSchedulesQuerySchema,
  type PutScheduleInput,
  putScheduleSchema,
  type RecordedFiring,
  type Schedule,
  type ScheduleSummary,
  scheduleIdSchema,
  type TriggerReply,
} from "../../model/schedule.ts";
import type { Store, StoredSchedule } from "../../store/store.ts";
import { statusOf } from "./firing-status.ts";
import type { ScheduleContents } from "./schedule-contents.ts";
import { createdMove, type ScheduleFiring } from "./schedule-firing.ts";
import { timesOf, triggeredId } from "./schedule-plan.ts";

/** A trigger that meets firings reads the schedule again so often. */
const TRIES = 10;
/** Of the hash that makes the id of a trigger. */
const TOKEN_CHARACTERS = 20;

/** Tasks and workflows that are created again and again. What fires them is in schedule-firing.ts. */
export class Schedules {
  readonly #store: Store;
  readonly #contents: ScheduleContents;
  readonly #firing: ScheduleFiring;

  constructor(options: { store: Store; contents: ScheduleContents; firing: ScheduleFiring }) {
    this.#store = options.store;
    this.#contents = options.contents;
    this.#firing = options.firing;
  }

  /**
   * Creates a schedule, or puts it in the place of what there was under the id.
   *
   * @throws INVALID_REQUEST (also: never due, unknown time zone), AGENT_NOT_FOUND, AGENT_DEREGISTERED, FORBIDDEN, ID_TAKEN (of another
   * supervisor), DEPENDENCY_INVALID (a cycle), CHANNEL_FORBIDDEN (askedOf), KEY_UNAVAILABLE
   * @example
   * await schedules.put("nightly", { supervisor: "lead", cron: "0 3 * * *", timezone: "Europe/Berlin", task: { taskType: "backup" } });
   */
  async put(scheduleId: string, input: PutScheduleInput): Promise<{ schedule: Schedule; created: boolean }> {
    const id = parse(scheduleIdSchema, scheduleId, "schedule id");
    const schedule = parse(putScheduleSchema, input);
    const { supervisor, cron, timezone, overlap, enabled, task } = schedule;
    const now = this.#store.now();
    const times = timesOf(schedule, now);
    await this.#firing.requireSound(schedule);
    const put = await this.#store.putSchedule({
      scheduleId: id,
      ...{ supervisor, cron, timezone, overlap, enabled },
      creates: task === undefined ? "workflow" : "task",
      contents: await this.#contents.seal(id, schedule),
      dueAt: enabled ? times.after(now) : undefined,
    });
    this.#firing.planned();
    return { schedule: await this.#reveal(put.schedule), created: put.created };
  }

  /** With its next due time and the last ten firings. @throws NOT_FOUND, KEY_UNAVAILABLE */
  async get(scheduleId: string): Promise<Schedule> {
    return this.#reveal(await this.#store.getSchedule(parse(scheduleIdSchema, scheduleId, "schedule id")));
  }

  /** By id. */
  async list(
    query: z.input<typeof listSchedulesQuerySchema> = {},
  ): Promise<{ schedules: ScheduleSummary[]; nextCursor: string | null }> {
    const { items, nextCursor } = await this.#store.listSchedules(parse(listSchedulesQuerySchema, query));
    return { schedules: items, nextCursor };
  }

  /** What it has created stays. @returns whether there was one */
  delete(scheduleId: string): Promise<boolean> {
    return this.#store.deleteSchedule(parse(scheduleIdSchema, scheduleId, "schedule id"));
  }

  /**
   * Creates its task or workflow now, whatever is open and whether it is enabled or not. The due times stay. A repeat with the same key finds
   * what the first has created, among the last ten firings.
   *
   * @throws NOT_FOUND, and what creating it throws
   */
  async trigger(scheduleId: string, options: SendOptions = {}): Promise<TriggerReply> {
    const id = parse(scheduleIdSchema, scheduleId, "schedule id");
    const key = scopedKey("POST /schedules/trigger", id, options, undefined) ?? requestHash(newId(this.#store.now()));
    const createdId = triggeredId(id, key.slice(0, TOKEN_CHARACTERS));
    for (let left = TRIES; left > 0; left -= 1) {
      const schedule = await this.#store.getSchedule(id);
      const known = schedule.log.recent.find(({ taskId, workflowId }) => (taskId ?? workflowId) === createdId);
      if (known !== undefined) return triggerReply(await this.#withStatus(known));
      const firedAt = new Date(this.#store.now()).toISOString();
      const created = createdMove(schedule, createdId, schedule.dueAt, { firedAt });
      // A person has seen to it that this one works: what was refused before counts on.
      const move = { ...created, refusals: schedule.refusals, triggered: createdId };
      const fired = await this.#firing.prepare(schedule, createdId);
      await this.#store.fireSchedule(move, fired);
    }
    throw new AgentCommunicationError("STORE_UNAVAILABLE", `Schedule ${id} fires all the time.`, {
      retryAfterSeconds: 1,
    });
  }

  async #reveal(stored: StoredSchedule): Promise<Schedule> {
    const { version: _, plannedAt: _planned, log, contents, dueAt, ...summary } = stored;
    const template = await this.#contents.open(stored);
    const unread = template.task === undefined && template.workflow === undefined;
    return {
      ...summary,
      ...(dueAt === undefined ? {} : { nextDueAt: new Date(dueAt).toISOString() }),
      ...template,
      ...(contents.keyVersion === undefined ? {} : { sensitive: true }),
      ...(unread ? { undecryptable: true } : {}),
      firings: await Promise.all(log.recent.map((firing) => this.#withStatus(firing))),
    };
  }

  async #withStatus(firing: RecordedFiring): Promise<Firing> {
    const status = await statusOf(this.#store, firing);
    return status === undefined ? firing : { ...firing, status };
  }
}

function triggerReply({ firedAt, taskId, workflowId, status }: Firing): TriggerReply {
  return { firedAt, taskId, workflowId, status };
}
