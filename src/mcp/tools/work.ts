import { z } from "zod";
import { completeTask, failTask, progressTask, suspendTask } from "../../functions/task-progress.ts";
import type { Route } from "../../lib/http/route.ts";
import { askSchema } from "../../lib/model/question.ts";
import { suspendReplySchema, suspendTaskSchema } from "../../lib/model/suspension.ts";
import { completeTaskSchema, failTaskSchema, progressTaskSchema, taskReplySchema } from "../../lib/model/task.ts";
import { attemptSchema, idSchema, instantSchema } from "../../lib/model/values.ts";
import { type Call, defineTool, type Show } from "../tool.ts";

/** What the worker that has a task says about it. */

const current = {
  taskId: idSchema.describe("Of a task that is yours"),
  attempt: attemptSchema.describe("Of the task, as check_in or its task_assignment says"),
};

/** Says something about the attempt that the caller holds. */
async function say(
  call: Call,
  route: Route,
  { taskId, ...rest }: { taskId: string } & Record<string, unknown>,
  agentId: string,
): Promise<Show> {
  const reply = taskReplySchema.parse(await call(route, { params: { taskId }, body: { ...rest, agentId } }));
  return () => reply;
}

export const progress = defineTool({
  name: "report_progress",
  title: "Report progress",
  description:
    "Says how far your task is, and starts it. Report before you begin and between long steps: it keeps the task yours. cancelRequested: stop, and confirm with fail_task. extendSeconds moves the deadline to so long from now.",
  annotations: { destructiveHint: false },
  route: progressTask,
  input: z.strictObject({
    ...current,
    percent: progressTaskSchema.shape.percent,
    note: progressTaskSchema.shape.note.describe("One line for the supervisor"),
    extendSeconds: progressTaskSchema.shape.extendSeconds,
  }),
  run: (call, input, me) => say(call, progressTask, input, me.agentId),
});

export const complete = defineTool({
  name: "complete_task",
  title: "Complete a task",
  description: "Ends your task with its result, which the supervisor gets.",
  annotations: { destructiveHint: false, idempotentHint: true },
  route: completeTask,
  input: z.strictObject({ ...current, result: completeTaskSchema.shape.result.describe("Any JSON") }),
  run: (call, input, me) => say(call, completeTask, input, me.agentId),
});

export const fail = defineTool({
  name: "fail_task",
  title: "Fail a task",
  description:
    "Gives your task up. It is tried again, by you or another, unless retryable is false or its retries are used up.",
  annotations: { destructiveHint: true },
  route: failTask,
  input: z.strictObject({
    ...current,
    error: failTaskSchema.shape.error.describe("Why, in a line"),
    retryable: failTaskSchema.shape.retryable,
  }),
  run: (call, input, me) => say(call, failTask, input, me.agentId),
});

export const suspend = defineTool({
  name: "suspend_task",
  title: "Suspend a task",
  description:
    "Ends this attempt until a question is answered or a time is reached. The task then comes again as a task_assignment, with your checkpoint and the answer in resume. Give exactly one of question and at.",
  annotations: { destructiveHint: false },
  route: suspendTask,
  input: z.strictObject({
    ...current,
    question: askSchema.optional().describe("Asked of the supervisor, or of the agents in askedOf"),
    at: instantSchema.optional().describe("When to go on; at least 10 s ahead"),
    checkpoint: suspendTaskSchema.shape.checkpoint.describe("What you need to go on; any JSON"),
  }),
  async run(call, { taskId, question, at, ...rest }, me) {
    const body = { ...rest, agentId: me.agentId, until: { question, at } };
    const reply = suspendReplySchema.parse(await call(suspendTask, { params: { taskId }, body }));
    return () => reply;
  },
});
