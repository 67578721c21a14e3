import type { ResumeReason } from "../../model/resume.ts";
import { PRIORITIES } from "../../model/values.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { questionNotFound } from "../question-refusals.ts";
import { takePage } from "../reply-bytes.ts";
import type { Page, Paged, QuestionOfTask } from "../store.ts";
import type { TaskExtras } from "../task-reading.ts";
import { taskNotFound } from "../task-records.ts";
import { buildQuestion, type QuestionRow, questionOfTask, sealedOf, type TaskValueRow } from "../task-values.ts";
import { type BatchResult, bigint, id, int } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";

/** Questions as the domain gets them. */

type ValueRow = TaskValueRow & { task_no: number };
type Row = QuestionRow & { task_no: number; asked_of: string | null };

function valuesByTask(rows: readonly ValueRow[]): Map<number, ValueRow[]> {
  const groups = new Map<number, ValueRow[]>();
  for (const row of rows) groups.set(row.task_no, [...(groups.get(row.task_no) ?? []), row]);
  return groups;
}

function askedOf({ asked_of: ids }: Row): string[] {
  return ids === null ? [] : ids.split(",");
}

/** What tasks keep in rows of their own, from the three recordsets of read-task-extras, the first at `index`. */
export class ExtrasOfTasks {
  readonly #values: Map<number, ValueRow[]>;
  readonly #questions: Map<number, Row>;
  readonly #resumedBy: Map<number, ResumeReason | null>;

  constructor(result: BatchResult, index: number) {
    this.#values = valuesByTask(result.rows<ValueRow>(index));
    this.#questions = new Map(result.rows<Row>(index + 1).map((row) => [row.task_no, row]));
    const woken = result.rows<{ task_no: number; resumed_by: ResumeReason | null }>(index + 2);
    this.#resumedBy = new Map(woken.map(({ task_no, resumed_by }) => [task_no, resumed_by]));
  }

  values(taskNo: number): readonly TaskValueRow[] {
    return this.#values.get(taskNo) ?? [];
  }

  of(taskNo: number): TaskExtras {
    const values = this.values(taskNo);
    const row = this.#questions.get(taskNo);
    return {
      question: row && buildQuestion(row, askedOf(row), values),
      checkpoint: sealedOf(values, "checkpoint"),
      resumedBy: this.#resumedBy.get(taskNo) ?? undefined,
    };
  }
}

type ListedRow = Row & {
  question_no: number;
  task_id: string;
  task_type: string;
  priority: number;
  supervisor_id: string;
};

function read(row: ListedRow, values: readonly TaskValueRow[]): QuestionOfTask {
  return questionOfTask(row, askedOf(row), values, PRIORITIES[row.priority] ?? "normal");
}

const GET = procedure("get_question");

/** @throws TASK_NOT_FOUND, NOT_FOUND */
export async function getQuestion(connection: Connection, taskId: string, questionId: string): Promise<QuestionOfTask> {
  const result = await connection.query(GET, { taskId: id(taskId), questionId: bigint(Number(questionId)) });
  if (result.rows<{ task_no: number | null }>(0)[0]?.task_no == null) throw taskNotFound(taskId);
  const row = result.rows<ListedRow & { newest: number }>(1)[0];
  if (row === undefined) throw questionNotFound(taskId, questionId);
  return read(row, row.newest === 1 ? result.rows<TaskValueRow>(2) : []);
}

const LIST = procedure("list_questions");

/** Open questions that an agent may answer, the oldest first; without an agent all. */
export async function listQuestions(
  connection: Connection,
  { agentId, cursor, limit }: Page & { agentId?: string | undefined },
): Promise<Paged<QuestionOfTask>> {
  const filters = { list: "questions", agentId };
  const after = Number(decodeCursor(filters, cursor, 1)?.[0] ?? 0);
  const inputs = { agentId: id(agentId ?? null), limit: int(limit), after: bigint(after) };
  const result = await connection.query(LIST, inputs);
  const rows = result.rows<ListedRow & { found: number }>(0);
  const values = valuesByTask(result.rows<ValueRow>(1));
  return takePage(
    rows,
    limit,
    (row) => read(row, values.get(row.task_no) ?? []),
    (last) => encodeCursor(filters, [last.question_no]),
    rows[0]?.found,
  );
}
