import { z } from "zod";
import { answerTask } from "../../functions/questions.ts";
import { assignTask, cancelTask, getTask, listTasks } from "../../functions/tasks.ts";
import { WAIT_MAX_SECONDS } from "../../lib/model/limits.ts";
import { answerTaskSchema } from "../../lib/model/question.ts";
import { answerReplySchema } from "../../lib/model/suspension.ts";
import {
  assignTaskReplySchema,
  assignTaskShape,
  cancelTaskSchema,
  listTasksReplySchema,
  taskReplySchema,
  taskSchema,
  taskStatusSchema,
} from "../../lib/model/task.ts";
import { idSchema } from "../../lib/model/values.ts";
import { showTask, showTaskInList } from "../shown.ts";
import { defineTool, queryOf } from "../tool.ts";
import { pageOf } from "./page.ts";

/** Handing work out, and following it. */

const taskId = idSchema.describe("Of the task");
const asked = assignTaskShape;

export const assign = defineTool({
  name: "assign_task",
  title: "Assign a task",
  description:
    "Hands work to the fleet: to a worker with the required capabilities and room, or to the one in assignTo; it waits until there is one. Follow it with get_task; its task_result comes as a message. With question it is a gate: no agent works on it, you or those in askedOf answer.",
  annotations: { destructiveHint: false },
  route: assignTask,
  input: z.strictObject({
    taskType: asked.taskType.describe("What kind of work it is, in your fleet's words"),
    description: asked.description.describe("What to do, for the worker"),
    parameters: asked.parameters.describe("Any JSON"),
    requiredCapabilities: asked.requiredCapabilities,
    preferredCapabilities: asked.preferredCapabilities,
    assignTo: asked.assignTo.describe("Only this agent"),
    priority: asked.priority,
    timeoutSeconds: asked.timeoutSeconds.describe("How long an attempt may take"),
    maxRetries: asked.maxRetries,
    dependsOn: asked.dependsOn.describe("taskIds that have to complete first"),
    parentTaskId: asked.parentTaskId,
    expiresAt: asked.expiresAt,
    sensitive: asked.sensitive,
    question: asked.question,
  }),
  async run(call, input, me) {
    const body = { ...input, supervisor: me.agentId };
    const reply = assignTaskReplySchema.parse(await call(assignTask, { body }));
    return () => reply;
  },
});

export const list = defineTool({
  name: "list_tasks",
  title: "List tasks",
  description: "Lists your tasks: those that you have assigned as a supervisor, or were given as a worker.",
  annotations: { readOnlyHint: true },
  route: listTasks,
  input: z.strictObject({
    status: taskStatusSchema.optional(),
    taskType: idSchema.optional(),
    supervisor: idSchema.optional(),
    assignedTo: idSchema.optional(),
    parentTaskId: idSchema.optional(),
    ...pageOf(20, 10),
  }),
  async run(call, input) {
    const reply = listTasksReplySchema.parse(await call(listTasks, { query: queryOf(input) }));
    return (maxBytes) => ({
      tasks: reply.tasks.map((task) => showTaskInList(task, maxBytes)),
      nextCursor: reply.nextCursor,
    });
  },
});

export const get = defineTool({
  name: "get_task",
  title: "Read a task",
  description:
    "Reads a task: what was asked, its status, its open question, its result or error. With afterVersion (the version that you know) and waitSeconds it waits for a change.",
  annotations: { readOnlyHint: true },
  route: getTask,
  input: z.strictObject({
    taskId,
    afterVersion: z.int().min(0).optional(),
    waitSeconds: z.number().min(0).max(WAIT_MAX_SECONDS).optional(),
  }),
  async run(call, { taskId: id, ...watch }) {
    const task = taskSchema.parse(await call(getTask, { params: { taskId: id }, query: queryOf(watch) }));
    return (maxBytes) => showTask(task, maxBytes);
  },
});

export const cancel = defineTool({
  name: "cancel_task",
  title: "Cancel a task",
  description: "Cancels a task that you have assigned. One that runs ends when its worker confirms.",
  annotations: { destructiveHint: true, idempotentHint: true },
  route: cancelTask,
  input: z.strictObject({ taskId, reason: cancelTaskSchema.shape.reason }),
  async run(call, { taskId: id, ...body }) {
    const reply = taskReplySchema.parse(await call(cancelTask, { params: { taskId: id }, body }));
    return () => reply;
  },
});

export const answer = defineTool({
  name: "answer_question",
  title: "Answer a question",
  description:
    "Answers the open question of a task: one of its options, an object as its schema says, or any JSON. Ask your user where the answer is not yours to give.",
  annotations: { destructiveHint: false, idempotentHint: true },
  route: answerTask,
  input: z.strictObject({
    taskId,
    questionId: answerTaskSchema.shape.questionId,
    answer: answerTaskSchema.shape.answer.describe("Any JSON that the question asks for"),
  }),
  async run(call, { taskId: id, ...given }, me) {
    const body = { ...given, agentId: me.agentId };
    const reply = answerReplySchema.parse(await call(answerTask, { params: { taskId: id }, body }));
    return () => reply;
  },
});
