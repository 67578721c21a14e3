import { SYSTEM_SENDER } from "../../model/agent.ts";
import { MAINTENANCE_BATCH_ROWS } from "../../model/limits.ts";
import type { QuestionState } from "../../model/question.ts";
import type { AnswerReply } from "../../model/suspension.ts";
import { actorOf } from "../../trace/call-context.ts";
import { iso } from "../instants.ts";
import { alreadyAnswered, questionEnded, questionNotFound } from "../question-refusals.ts";
import { QUESTION_TIMEOUT, REJECTED } from "../rules/suspensions.ts";
import type { NewAnswer, Sealed } from "../store.ts";
import { readSealed } from "../task-values.ts";
import { countAsHeartbeat } from "./activity.ts";
import { requireRegistered } from "./agent-rows.ts";
import { statusOfArchived } from "./archived-tasks.ts";
import { type EndedDependency, settleDependents } from "./dependencies.ts";
import { handOutAfter } from "./hand-out.ts";
import { closeQuestion, keepAnswerer, putTaskValue } from "./questions.ts";
import { wake } from "./resumption.ts";
import { endTask } from "./task-endings.ts";
import { addEvent, findTask, TASK_COLUMNS, type TaskRow, taskNotFound } from "./task-rows.ts";
import type { Transaction } from "./transaction.ts";

/** How questions get their answers: from an agent, or from their default when their time is over. */

interface Asked {
  question_no: number;
  attempt: number;
  state: QuestionState;
  answer_hash: string | null;
  answered_by: string | null;
  answered_at: number | null;
}

const ASKED = `SELECT question_no, attempt, state, answer_hash, answered_by, answered_at FROM task_questions
  WHERE task_no = ? AND asked_version = ? AND state <> 'waiting'`;

/** Wakes the task, or ends its gate. Refusals are those of the contract (store.ts). */
export function answerQuestion(transaction: Transaction, taskId: string, answer: NewAnswer): AnswerReply {
  const agent = requireRegistered(transaction, answer.agentId);
  const task = requireTask(transaction, taskId, answer.questionId);
  const asked = transaction.get<Asked>(ASKED, task.task_no, Number(answer.questionId));
  if (asked === undefined) throw questionNotFound(taskId, answer.questionId);
  if (asked.state !== "open") return repeatedReply(task, answer, asked);
  countAsHeartbeat(transaction, agent);
  const actor = actorOf(answer.agentId, transaction.call);
  closeQuestion(transaction, task, { state: "answered", by: actor, hash: answer.answerHash });
  keepAnswerer(transaction, asked.question_no, agent.agent_no);
  addEvent(transaction, task, "answered", { actor, agentNo: agent.agent_no, detail: answer.questionId });
  const ended = take(transaction, task, answer.answer, { rejects: answer.rejects, byDefault: false, actor });
  const { unblocked } = settleDependents(transaction, ended);
  handOutAfter(transaction, undefined, ended.length > 0 ? unblocked : [task]);
  return replyOf(task, answer.questionId, actor, transaction.now);
}

function requireTask(transaction: Transaction, taskId: string, questionId: string): TaskRow {
  const task = findTask(transaction, taskId);
  if (task !== undefined) return task;
  if (statusOfArchived(transaction, taskId) === undefined) throw taskNotFound(taskId);
  throw questionEnded(taskId, questionId);
}

function repeatedReply(task: TaskRow, answer: NewAnswer, asked: Asked): AnswerReply {
  const { answer_hash: hash, answered_by: by, answered_at: at } = asked;
  if (asked.state === "ended") throw questionEnded(task.task_id, answer.questionId);
  if (hash === answer.answerHash && by !== null && at !== null) return replyOf(task, answer.questionId, by, at);
  throw alreadyAnswered(task.task_id, answer.questionId, asked.state, hash ?? undefined);
}

function replyOf(task: TaskRow, questionId: string, answeredBy: string, at: number): AnswerReply {
  const status = task.gate === 1 ? task.status : "pending";
  return { taskId: task.task_id, questionId, status, answeredBy, answeredAt: iso(at) };
}

interface Taking {
  rejects: boolean;
  byDefault: boolean;
  /** Left out: the switchboard. */
  actor?: string;
}

/** What an answer makes of the task whose question is closed. @returns the gate, if it is one: its dependents are to be told */
function take(
  transaction: Transaction,
  task: TaskRow,
  { value, keyVersion }: Sealed,
  taking: Taking,
): EndedDependency[] {
  const { rejects, byDefault, actor } = taking;
  if (task.gate === 1) {
    const status = rejects ? "failed" : "completed";
    const error = rejects ? REJECTED : undefined;
    endTask(transaction, task, status, { result: value, keyVersion, error, actor });
    return [{ taskId: task.task_id, end: rejects ? "failed" : "completed" }];
  }
  if (!byDefault) putTaskValue(transaction, task.task_no, "answer", { value, keyVersion });
  wake(transaction, task, byDefault);
  return [];
}

const TIMED_OUT_PER_TRANSACTION = MAINTENANCE_BATCH_ROWS / 10;

type Due = TaskRow & { has_default: number; default_rejects: number; asked_version: number };

const DUE = `SELECT ${TASK_COLUMNS.split(", ")
  .map((column) => `t.${column}`)
  .join(", ")}, q.has_default, q.default_rejects, q.asked_version
  FROM task_questions q INDEXED BY task_questions_due CROSS JOIN tasks t ON t.task_no = q.task_no
  WHERE q.state = 'open' AND q.expires_at IS NOT NULL AND q.expires_at <= ? ORDER BY q.expires_at LIMIT ${TIMED_OUT_PER_TRANSACTION}`;
const DEFAULT = `SELECT value, key_version FROM task_values WHERE task_no = ? AND name IN ('default_answer', 'gate_default')`;

/** Ends the time of questions that nobody has answered: with their default, or the task fails. Handing out is the sweep's next step. */
export function timeOutQuestions(transaction: Transaction): { done: number; more: boolean } {
  const due = transaction.all<Due>(DUE, transaction.now);
  const ended: EndedDependency[] = [];
  for (const { has_default, default_rejects: rejects, asked_version, ...task } of due) {
    const byDefault = has_default === 1;
    closeQuestion(transaction, task, byDefault ? { state: "timed_out", by: SYSTEM_SENDER } : { state: "timed_out" });
    addEvent(transaction, task, "question_timed_out", { detail: String(asked_version) });
    if (byDefault) {
      const row = transaction.get<{ value: string; key_version: string | null }>(DEFAULT, task.task_no);
      if (row === undefined) throw new Error(`task number ${task.task_no} has lost its default answer`);
      ended.push(...take(transaction, task, readSealed(row), { rejects: rejects === 1, byDefault: true }));
      continue;
    }
    endTask(transaction, task, "failed", { error: QUESTION_TIMEOUT });
    ended.push({ taskId: task.task_id, end: "failed" });
  }
  // Together, behind all ends: what the failure of one stops may be another of them.
  settleDependents(transaction, ended, 0);
  return { done: due.length, more: due.length === TIMED_OUT_PER_TRANSACTION };
}
