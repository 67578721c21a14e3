import type { AnswerReply } from "../../model/suspension.ts";
import type { TaskStatus } from "../../model/task.ts";
import { actorOf } from "../../trace/call-context.ts";
import { iso } from "../instants.ts";
import { alreadyAnswered, questionEnded, questionNotFound } from "../question-refusals.ts";
import { type AgentRefusalCode, agentRefusal } from "../refusals.ts";
import type { NewAnswer } from "../store.ts";
import { taskNotFound } from "../task-records.ts";
import { wakeAgent } from "./activity.ts";
import { type Batch, type Outcome, type OutcomeRow, outcomeRows } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { itemJson } from "./item-text.ts";
import { procedure } from "./procedures.ts";
import { CALLS_PER_BATCH } from "./suspensions.ts";

/** How questions get their answers from agents; those whose time is over, in the sweep. */

interface AnswerCall {
  taskId: string;
  body: NewAnswer;
}

interface AnsweredRow extends OutcomeRow {
  state: "open" | "answered" | "timed_out" | "ended" | null;
  inactive: boolean;
  answered_by: string;
  answered_at: number;
  status: TaskStatus;
}

interface Answered {
  reply: AnswerReply;
  wakes: boolean;
}

function decodeAnswer(row: AnsweredRow, { taskId, body }: AnswerCall): Outcome<Answered> {
  const { questionId } = body;
  switch (row.code) {
    case null: {
      const reply = { taskId, questionId, status: row.status, answeredBy: row.answered_by };
      return { value: { reply: { ...reply, answeredAt: iso(row.answered_at) }, wakes: row.inactive } };
    }
    case "TASK_NOT_FOUND":
      return { refusal: taskNotFound(taskId) };
    case "NOT_FOUND":
      return { refusal: questionNotFound(taskId, questionId) };
    case "TASK_ENDED":
      return { refusal: questionEnded(taskId, questionId) };
    case "ALREADY_ANSWERED":
      return { refusal: alreadyAnswered(taskId, questionId, row.state ?? "answered", row.subject ?? undefined) };
    default:
      return { refusal: agentRefusal(row.code as AgentRefusalCode, body.agentId) };
  }
}

const ANSWERS: Batch<AnswerCall, Answered> = {
  name: "answer-questions",
  sql: procedure("answer_questions"),
  encode: ({ taskId, body }) => ({
    task_id: taskId,
    agent_id: body.agentId,
    actor: actorOf(body.agentId),
    question_id: Number(body.questionId),
    answer_hash: body.answerHash,
    rejects: body.rejects,
    answer: itemJson(body.answer.value),
    ...(body.answer.keyVersion === undefined ? {} : { key_version: body.answer.keyVersion }),
  }),
  decode: (result, calls) =>
    outcomeRows<AnsweredRow>(result, calls).map((row) => decodeAnswer(row, calls[row.item] as AnswerCall)),
  maxItems: CALLS_PER_BATCH,
  conflictKey: ({ taskId }) => taskId,
};

/** Wakes the task of an open question, or ends its gate. Refusals are those of the contract (store.ts). */
export async function answerQuestion(connection: Connection, taskId: string, answer: NewAnswer): Promise<AnswerReply> {
  const { reply, wakes } = await connection.run(ANSWERS, { taskId, body: answer });
  if (wakes) await wakeAgent(connection, answer.agentId);
  return reply;
}
