import { MISSED_MILLISECONDS } from "../../model/limits.ts";
import {
  decideMove,
  type ScheduleChange,
  type ScheduleListRow,
  type ScheduleRow,
  type SeenSchedule,
} from "../rules/schedules.ts";
import { DUE_SCHEDULES_MAX, type ScheduleAsk, type ScheduleEngine } from "../schedule-verbs.ts";
import type { DueSchedules, Fired, ScheduleMove } from "../store.ts";
import { findAgent } from "./agent-rows.ts";
import type { Connection } from "./connection.ts";
import { decideBy, decideWithin } from "./decide.ts";
import type { Transaction } from "./transaction.ts";
import { addFired, isLongWorkflow } from "./workflows.ts";

const LIST_COLUMNS = `s.schedule_id, a.agent_id AS supervisor_id, s.cron, s.timezone, s.overlap, s.enabled, s.creates, s.due_at,
  s.refusals, s.created_at, s.updated_at`;
const FROM = "FROM schedules s JOIN agents a ON a.agent_no = s.supervisor_no";
const BY_ID = `SELECT ${LIST_COLUMNS}, s.contents, s.key_version, s.planned_at, s.firings, s.version ${FROM} WHERE s.schedule_id = ?`;
const LIST = `SELECT ${LIST_COLUMNS} ${FROM} WHERE s.schedule_id > ? ORDER BY s.schedule_id LIMIT ?`;
const LIST_OF = `SELECT ${LIST_COLUMNS} ${FROM} WHERE a.agent_id = ? AND s.schedule_id > ? ORDER BY s.schedule_id LIMIT ?`;
const HELD = "SELECT count(*) AS held FROM schedules WHERE supervisor_no = ?";

const DUE_COLUMNS = "schedule_no AS place, schedule_id AS scheduleId";
/** ?1 now, ?2 later than that is ahead, ?3 behind which place, ?4 how many. What is due is read, and nothing of the others. */
const DUE = `SELECT ${DUE_COLUMNS} FROM schedules INDEXED BY schedules_due WHERE due_at IS NOT NULL AND due_at <= ?1 AND schedule_no > ?3
  UNION SELECT ${DUE_COLUMNS} FROM schedules INDEXED BY schedules_planned WHERE due_at IS NOT NULL AND planned_at > ?2 AND schedule_no > ?3
  ORDER BY place LIMIT ?4`;
const NEXT = "SELECT min(due_at) AS next FROM schedules WHERE due_at IS NOT NULL";

const DELETE = "DELETE FROM schedules WHERE schedule_id = ?";
const INSERT = `INSERT INTO schedules (schedule_id, supervisor_no, cron, timezone, overlap, enabled, creates, contents, key_version, due_at,
  planned_at, refusals, firings, version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const REPLACE = `UPDATE schedules SET cron = ?, timezone = ?, overlap = ?, enabled = ?, creates = ?, contents = ?, key_version = ?, due_at = ?,
  planned_at = ?, refusals = ?, firings = ?, version = ?, updated_at = ? WHERE schedule_id = ?`;

const SCHEDULES = { see, write };

/** What the verbs of schedules read and write. */
export function scheduleEngine(connection: Connection): ScheduleEngine {
  return {
    decide: decideBy(connection, SCHEDULES),
    get: (scheduleId) => connection.read((transaction) => transaction.get<ScheduleRow>(BY_ID, scheduleId)),
    list: ({ after, rows }, supervisor) =>
      connection.read((transaction) =>
        supervisor === undefined
          ? transaction.all<ScheduleListRow>(LIST, after, rows)
          : transaction.all<ScheduleListRow>(LIST_OF, supervisor, after, rows),
      ),
    findDue: (after) => connection.read((transaction) => findDue(transaction, after)),
    fire: (move, fired) =>
      connection.write(
        (transaction) => fire(transaction, move, fired),
        "workflow" in fired && isLongWorkflow(fired.workflow),
      ),
  };
}

function see(transaction: Transaction, { scheduleId, supervisor }: ScheduleAsk): SeenSchedule {
  const agent = supervisor === undefined ? undefined : findAgent(transaction, supervisor);
  const held = agent === undefined ? 0 : (transaction.get<{ held: number }>(HELD, agent.agent_no)?.held ?? 0);
  return { row: transaction.get<ScheduleRow>(BY_ID, scheduleId), agent, held };
}

function write(transaction: Transaction, change: ScheduleChange, { scheduleId }: ScheduleAsk): void {
  const { was, row, supervisorNo = null } = change;
  if (row === undefined) {
    transaction.run(DELETE, scheduleId);
    return;
  }
  const kind = [row.cron, row.timezone, row.overlap, row.enabled, row.creates, row.contents, row.key_version];
  const state = [row.due_at, row.planned_at, row.refusals, row.firings, row.version];
  if (was === undefined) {
    transaction.run(INSERT, scheduleId, supervisorNo, ...kind, ...state, row.created_at, row.updated_at);
  } else {
    transaction.run(REPLACE, ...kind, ...state, row.updated_at, scheduleId);
  }
}

function findDue(transaction: Transaction, after: number): DueSchedules {
  const { now } = transaction;
  const due = transaction.all<DueSchedules["due"][number]>(
    ...[DUE, now, now + MISSED_MILLISECONDS, after, DUE_SCHEDULES_MAX],
  );
  return { due, nextDueAt: transaction.get<{ next: number | null }>(NEXT)?.next ?? undefined };
}

/** @returns false: the schedule has another version */
function fire(transaction: Transaction, move: ScheduleMove, fired: Fired): boolean {
  const ask = { scheduleId: move.scheduleId };
  const moved = decideWithin(transaction, SCHEDULES, ask, (seen, deciding) => decideMove(move, seen, deciding));
  if (moved) addFired(transaction, fired);
  return moved;
}
