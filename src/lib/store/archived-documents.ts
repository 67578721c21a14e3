import { z } from "zod";
import { taskSchema } from "../model/task.ts";
import type { Sealed, StoredQuestion, StoredTask } from "./store.ts";
import { readSealed, sealedOf, type TaskValueRow } from "./task-values.ts";

/** Tasks in the archive: a document, and beside it what is encrypted of it. */

/** A task as the archive keeps it. */
export interface ArchivedDocument {
  task: string;
  /** Of the parameters, and of the result. */
  key_version: string | null;
  result_key_version: string | null;
}

/** An encrypted value that the archive keeps beside the document. */
export type ArchivedValue = TaskValueRow & { key_version: string };

/** Plain values are in the document, encrypted ones beside it, so that they can be found when their key is replaced. */
export function writeArchived(
  { keyVersion, resultKeyVersion, checkpoint, question, ...task }: StoredTask,
  values: readonly TaskValueRow[],
): ArchivedDocument & { values: ArchivedValue[] } {
  const document = { ...task, checkpoint: plain(checkpoint), question: question && plainQuestion(question) };
  return {
    task: JSON.stringify(document),
    key_version: keyVersion ?? null,
    result_key_version: resultKeyVersion ?? null,
    values: values.filter((value): value is ArchivedValue => value.key_version !== null),
  };
}

function plain(sealed: Sealed | undefined): Sealed | undefined {
  return sealed?.keyVersion === undefined ? sealed : undefined;
}

function plainQuestion({ content, defaultAnswer, answer, ...question }: StoredQuestion): StoredQuestion {
  const parts: Pick<StoredQuestion, "content" | "defaultAnswer" | "answer"> = {};
  if (plain(content) !== undefined) parts.content = content;
  if (plain(defaultAnswer) !== undefined) parts.defaultAnswer = defaultAnswer;
  if (plain(answer) !== undefined) parts.answer = answer;
  return { ...question, ...parts };
}

const sealedSchema = z.object({ value: z.json() });
const questionSchema = taskSchema.shape.question
  .unwrap()
  .omit({ text: true, schema: true, options: true, defaultAnswer: true, answer: true })
  .extend({
    gate: z.boolean(),
    content: sealedSchema.optional(),
    defaultAnswer: sealedSchema.optional(),
    answer: sealedSchema.optional(),
  });
/** Tasks that were archived before versions were kept have the first. */
const documentSchema = taskSchema.extend({
  version: z.int().default(1),
  question: questionSchema.optional(),
  checkpoint: sealedSchema.optional(),
});

/** The task as it is stored. `values`: what is encrypted of it. */
export function readArchived(document: ArchivedDocument, values: readonly TaskValueRow[]): StoredTask {
  const task: StoredTask = { ...documentSchema.parse(JSON.parse(document.task)), archived: true };
  // Archived by a version that kept the last report.
  if (task.status === "completed") task.percent = 100;
  if (document.key_version !== null) task.keyVersion = document.key_version;
  if (document.result_key_version !== null) task.resultKeyVersion = document.result_key_version;
  const checkpoint = values.find(({ name }) => name === "checkpoint");
  if (checkpoint !== undefined) task.checkpoint = readSealed(checkpoint);
  if (task.question !== undefined) restore(task.question, values);
  return task;
}

function restore(question: StoredQuestion, values: readonly TaskValueRow[]): void {
  const content = sealedOf(values, "question");
  const defaultAnswer = sealedOf(values, "default_answer", "gate_default");
  const answer = sealedOf(values, "answer");
  if (content !== undefined) question.content = content;
  if (defaultAnswer !== undefined) question.defaultAnswer = defaultAnswer;
  if (answer !== undefined) question.answer = answer;
}
