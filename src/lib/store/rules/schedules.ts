import type { AgentRole, AgentStatus } from "../../model/agent.ts";
import type { AuditDetail, NewAuditEntry } from "../../model/audit.ts";
import { AgentCommunicationError } from "../../model/errors.ts";
import { SCHEDULES_MAX } from "../../model/limits.ts";
import { firingLogSchema, type Overlap, type ScheduleSummary } from "../../model/schedule.ts";
import type { Deciding, Decision } from "../decision.ts";
import { iso } from "../instants.ts";
import { agentDeregistered, agentNotFound } from "../refusals.ts";
import type { NewSchedule, ScheduleMove, StoredSchedule } from "../store.ts";
import { mayNotAssign } from "../task-refusals.ts";

/** What becomes of schedules, and which are refused. */

/** A schedule as lists show it: the same in both engines. */
export interface ScheduleListRow {
  schedule_id: string;
  supervisor_id: string;
  cron: string;
  timezone: string;
  overlap: Overlap;
  /** 0 or 1 */
  enabled: number;
  creates: ScheduleSummary["creates"];
  due_at: number | null;
  refusals: number;
  created_at: number;
  updated_at: number;
}

/** All of it. */
export interface ScheduleRow extends ScheduleListRow {
  /** JSON text: the task or workflow, or its envelope. */
  contents: string;
  key_version: string | null;
  /** When `due_at` was found: a time in the future tells of a clock that was ahead. */
  planned_at: number;
  /** JSON text. */
  firings: string;
  version: number;
}

/** What is read before a schedule changes. */
export interface SeenSchedule {
  row: ScheduleRow | undefined;
  /** The supervisor that the call names. */
  agent: { agent_no: number; role: AgentRole; status: AgentStatus } | undefined;
  /** How many schedules it has. */
  held: number;
}

/** The row to write in the place of the version that was read; undefined: there was none, or will be none. */
export interface ScheduleChange {
  was: number | undefined;
  row: ScheduleRow | undefined;
  /** Of a new row: whose it is. */
  supervisorNo: number | undefined;
  /** Whether `contents` differ from what they were. */
  rewrites: boolean;
}

type ScheduleDecision<Answer> = Decision<Answer, ScheduleChange>;

export function scheduleNotFound(scheduleId: string): AgentCommunicationError {
  return new AgentCommunicationError("NOT_FOUND", `There is no schedule ${scheduleId}.`);
}

/** As lists show it. */
export function readSummary(row: ScheduleListRow): ScheduleSummary {
  const { cron, timezone, overlap, creates, refusals } = row;
  return {
    scheduleId: row.schedule_id,
    supervisor: row.supervisor_id,
    ...{ cron, timezone, creates, overlap, refusals },
    enabled: row.enabled === 1,
    ...(row.due_at === null ? {} : { nextDueAt: iso(row.due_at) }),
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
  };
}

/** As it is stored. */
export function readSchedule(row: ScheduleRow): StoredSchedule {
  const { nextDueAt: _, ...summary } = readSummary(row);
  return {
    ...summary,
    version: row.version,
    dueAt: row.due_at ?? undefined,
    plannedAt: row.planned_at,
    log: firingLogSchema.parse(JSON.parse(row.firings)),
    contents: { value: JSON.parse(row.contents), keyVersion: row.key_version ?? undefined },
  };
}

/** @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED, FORBIDDEN, ID_TAKEN, INVALID_REQUEST */
export function decidePut(
  schedule: NewSchedule,
  seen: SeenSchedule,
  { now }: Deciding,
): ScheduleDecision<{ schedule: StoredSchedule; created: boolean }> {
  const { scheduleId, supervisor, contents, dueAt, ...said } = schedule;
  const agent = requireSupervisor(schedule, seen);
  const { row: was } = seen;
  if (was !== undefined && was.supervisor_id !== supervisor) {
    throw new AgentCommunicationError("ID_TAKEN", `The schedule id ${scheduleId} is in use.`);
  }
  if (was === undefined && seen.held >= SCHEDULES_MAX) throw tooMany(supervisor);
  const keeps = was?.enabled === 1 && said.enabled && was.cron === said.cron && was.timezone === said.timezone;
  const row: ScheduleRow = {
    schedule_id: scheduleId,
    supervisor_id: supervisor,
    ...said,
    enabled: Number(said.enabled),
    contents: JSON.stringify(contents.value),
    key_version: contents.keyVersion ?? null,
    due_at: keeps ? was.due_at : (dueAt ?? null),
    planned_at: keeps ? was.planned_at : now,
    refusals: 0,
    firings: was?.firings ?? JSON.stringify({ recent: [] }),
    version: (was?.version ?? 0) + 1,
    created_at: was?.created_at ?? now,
    updated_at: now,
  };
  const created = was === undefined;
  return {
    answer: { schedule: readSchedule(row), created },
    change: { was: was?.version, row, supervisorNo: agent.agent_no, rewrites: true },
    entries: [entry("schedule.put", scheduleId, { supervisor, created, enabled: said.enabled })],
  };
}

function requireSupervisor({ supervisor }: NewSchedule, { agent }: SeenSchedule) {
  if (agent === undefined) throw agentNotFound(supervisor);
  if (agent.status === "deregistered") throw agentDeregistered(supervisor);
  if (agent.role !== "supervisor" && agent.role !== "admin") throw mayNotAssign({ supervisor }, agent.role);
  return agent;
}

function tooMany(supervisor: string): AgentCommunicationError {
  const message = `has ${SCHEDULES_MAX} schedules already, which is the most`;
  return new AgentCommunicationError("INVALID_REQUEST", `${supervisor} ${message}.`, {
    errors: [{ path: "supervisor", message }],
  });
}

/** The answer: whether it was there. */
export function decideDelete(scheduleId: string, { row }: SeenSchedule): ScheduleDecision<boolean> {
  if (row === undefined) return { answer: false };
  return {
    answer: true,
    change: { was: row.version, row: undefined, supervisorNo: undefined, rewrites: false },
    entries: [entry("schedule.deleted", scheduleId, { supervisor: row.supervisor_id })],
  };
}

/** The answer: whether it had the version. */
export function decideMove(move: ScheduleMove, { row }: SeenSchedule, { now }: Deciding): ScheduleDecision<boolean> {
  if (row?.version !== move.version) return { answer: false };
  const { scheduleId, dueAt = null, enabled, refusals, log, disables, triggered } = move;
  const moved: ScheduleRow = {
    ...row,
    due_at: dueAt,
    planned_at: now,
    enabled: Number(enabled),
    refusals,
    firings: JSON.stringify(log),
    version: row.version + 1,
  };
  return {
    answer: true,
    change: { was: row.version, row: moved, supervisorNo: undefined, rewrites: false },
    entries: [
      ...(disables ? [entry("schedule.disabled", scheduleId, { refusals })] : []),
      ...(triggered === undefined ? [] : [entry("schedule.triggered", scheduleId, { id: triggered })]),
    ],
  };
}

type Action = Extract<NewAuditEntry["action"], `schedule.${string}`>;

function entry(action: Action, scheduleId: string, detail: AuditDetail): NewAuditEntry {
  return { action, subjectKind: "schedule", subjectId: scheduleId, detail };
}
