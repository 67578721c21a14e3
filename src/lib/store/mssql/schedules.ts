import type { ScheduleChange, ScheduleListRow, ScheduleRow, SeenSchedule } from "../rules/schedules.ts";
import type { ScheduleAsk, ScheduleEngine } from "../schedule-verbs.ts";
import type { DueSchedules } from "../store.ts";
import { type BatchResult, bigint, bit, id, int, text, word } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { decideBy, type Subject } from "./decide.ts";
import { procedure } from "./procedures.ts";
import { fireAndHandOut } from "./workflows.ts";

const GET = procedure("get_schedule");
const LIST = procedure("list_schedules");
const FIND_DUE = procedure("find_due_schedules");
const WRITE = procedure("write_schedule");

type AgentRow = NonNullable<SeenSchedule["agent"]> & { held: number };

const SCHEDULES: Subject<ScheduleAsk, SeenSchedule, ScheduleChange> = {
  name: "schedules",
  read: procedure("read_schedule"),
  ask: ({ scheduleId, supervisor }) => ({ scheduleId: id(scheduleId), supervisor: id(supervisor ?? null) }),
  see,
  write: (change, { scheduleId }) => ({ sql: WRITE, inputs: { scheduleId: id(scheduleId), ...encodeChange(change) } }),
  key: ({ scheduleId }) => scheduleId,
};

function see(result: BatchResult): SeenSchedule {
  const [agent] = result.rows<AgentRow>(2);
  return { row: result.rows<ScheduleRow>(1)[0], agent, held: agent?.held ?? 0 };
}

function encodeChange({ was, row, supervisorNo, rewrites }: ScheduleChange) {
  return {
    was: bigint(was ?? null),
    deleted: bit(row === undefined),
    supervisorNo: int(supervisorNo ?? null),
    cron: text(row?.cron ?? null),
    timezone: word(row?.timezone ?? null),
    overlap: word(row?.overlap ?? null),
    enabled: bit(row?.enabled === 1),
    creates: word(row?.creates ?? null),
    contents: text((rewrites && row?.contents) || null),
    keyVersion: word(row?.key_version ?? null),
    dueAt: bigint(row?.due_at ?? null),
    plannedAt: bigint(row?.planned_at ?? null),
    refusals: int(row?.refusals ?? null),
    firings: text(row?.firings ?? null),
    updatedAt: bigint(row?.updated_at ?? null),
  };
}

/** What the verbs of schedules read and write. */
export function scheduleEngine(connection: Connection): ScheduleEngine {
  return {
    decide: decideBy(connection, SCHEDULES),
    get: async (scheduleId) => (await connection.query(GET, { scheduleId: id(scheduleId) })).rows<ScheduleRow>(0)[0],
    async list({ after, rows }, supervisor) {
      const inputs = { supervisor: id(supervisor ?? null), after: id(after), limit: int(rows) };
      return (await connection.query(LIST, inputs)).rows<ScheduleListRow>(0);
    },
    async findDue(after) {
      const result = await connection.query(FIND_DUE, { after: bigint(after) });
      const [row] = result.rows<{ next: number | null }>(1);
      return { due: result.rows<DueSchedules["due"][number]>(0), nextDueAt: row?.next ?? undefined };
    },
    fire: (move, fired) => fireAndHandOut(connection, move, fired),
  };
}
