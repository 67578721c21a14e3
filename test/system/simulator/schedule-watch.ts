import { firingLogSchema, type RecordedFiring } from "../../../src/lib/model/schedule.ts";
import { SECOND } from "../../contract/support.ts";
import type { FleetRows, ScheduleRow } from "./fleet-rows.ts";

/** Minutes between due times, of the expressions that simulations use. */
const STEP: Readonly<Record<string, number>> = { "* * * * *": 60 * SECOND, "*/2 * * * *": 120 * SECOND };
const MISSED = 60 * SECOND;

interface Known {
  cron: string;
  /** As they are stored. */
  firings: string;
  newest: string | undefined;
  lastDue: number | undefined;
}

/** Each due time leads to one firing, in order; of those missed by more than a minute the newest stands for all. */
export class ScheduleWatch {
  readonly #rows: FleetRows;
  readonly #known = new Map<string, Known>();
  /** Ids of tasks and workflows that a firing is recorded to have created. */
  readonly #created = new Set<string>();
  firings = 0;

  constructor(rows: FleetRows) {
    this.#rows = rows;
  }

  look(): void {
    for (const row of this.#rows.schedules()) this.#goOn(row);
  }

  #goOn(row: ScheduleRow): void {
    const { schedule_id: scheduleId, cron } = row;
    const known = this.#known.get(scheduleId);
    if (known?.cron === cron && known.firings === row.firings) return;
    const { recent } = firingLogSchema.parse(JSON.parse(row.firings));
    const texts = recent.map((firing) => JSON.stringify(firing));
    const index = known?.newest === undefined ? texts.length : texts.indexOf(known.newest);
    const fresh = recent.slice(0, index < 0 ? recent.length : index).reverse();
    // Put with other due times: those before say nothing of the next.
    let lastDue = known?.cron === cron ? known.lastDue : undefined;
    for (const firing of fresh) {
      this.firings += 1;
      lastDue = this.#check(scheduleId, firing, { cron, lastDue }) ?? lastDue;
    }
    this.#known.set(scheduleId, { cron, firings: row.firings, newest: texts[0], lastDue });
  }

  /** @returns its due time; of a trigger there is none */
  #check(
    scheduleId: string,
    firing: RecordedFiring,
    { cron, lastDue }: { cron: string; lastDue: number | undefined },
  ): number | undefined {
    const { outcome, taskId, workflowId, dueAt } = firing;
    const id = taskId ?? workflowId;
    if ((outcome === "created") !== (id !== undefined)) throw new Error(`${scheduleId}: ${JSON.stringify(firing)}`);
    if (id !== undefined) this.#add(scheduleId, id);
    if (dueAt === undefined) return undefined;
    const [due, fired, step] = [Date.parse(dueAt), Date.parse(firing.firedAt), STEP[cron] ?? 0];
    const next = lastDue === undefined ? due : lastDue + step;
    const newest = fired - (fired % step);
    const follows = due === next || (fired - next > MISSED && due === newest);
    if (!follows || due > fired || due % step !== 0) {
      throw new Error(`${scheduleId} was due ${lastDue}, and fires ${JSON.stringify(firing)}`);
    }
    return due;
  }

  #add(scheduleId: string, id: string): void {
    if (this.#created.has(id)) throw new Error(`${scheduleId} has created ${id} twice`);
    this.#created.add(id);
  }

  /** Once what is due has been fired: nothing is due, but what became so at this very moment behind one that was not missed. */
  checkRest(now: number): void {
    const due = this.#rows.schedules().find(({ enabled, due_at: dueAt }) => enabled === 1 && (dueAt ?? now) < now);
    if (due !== undefined) throw new Error(`${due.schedule_id} is still due at ${due.due_at}`);
  }

  /** What schedules have created is what their firings say. */
  checkAll(): void {
    const ids = new Set(this.#rows.scheduled());
    const unknown = [...ids].filter((id) => !this.#created.has(id));
    const missing = [...this.#created].filter((id) => !ids.has(id));
    if (unknown.length + missing.length > 0) {
      throw new Error(`no firing tells of ${unknown.join(", ")}; not there: ${missing.join(", ")}`);
    }
  }
}
