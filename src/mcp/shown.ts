import type { z } from "zod";
import type { Agent, DirectoryEntry } from "../lib/model/agent.ts";
import type { Message } from "../lib/model/message.ts";
import type { openQuestionSchema, TaskQuestion } from "../lib/model/question.ts";
import type { Task } from "../lib/model/task.ts";
import { untrusted } from "./untrusted.ts";

/** Replies of routes as a model reads them: our fields as they are, contents under `untrusted`. */

type Shown = Record<string, unknown>;

/** A page of messages: a payload in it is a glance, `read_messages` has the rest. */
export function showMessages(page: { messages: Message[]; nextCursor: string | null }, maxBytes: number): Shown {
  return {
    messages: page.messages.map((message) => showMessage(message, Math.min(maxBytes, 1_024))),
    nextCursor: page.nextCursor,
  };
}

export function showMessage(message: Message, maxBytes: number): Shown {
  const { payload, reason, traceparent: _, ...facts } = message;
  return {
    ...facts,
    untrusted: untrusted({ from: facts.sender, role: facts.senderRole }, { payload }, maxBytes),
    ...(reason !== undefined && { settled: { untrusted: untrusted({ from: facts.receiver }, { reason }, maxBytes) } }),
  };
}

export function showTask(task: Task, maxBytes: number): Shown {
  const { description, parameters, note, checkpoint, result, error, question, traceparent: _, usage, ...facts } = task;
  const asked = untrusted({ from: task.supervisor, role: "supervisor" }, { description, parameters }, maxBytes);
  const work = untrusted({ from: task.assignedTo, role: "worker" }, { note, checkpoint, result, error }, maxBytes);
  return {
    ...facts,
    ...(usage !== undefined && { usage: usage.length }),
    untrusted: asked,
    ...(question !== undefined && { question: showQuestion(question, task.supervisor, maxBytes) }),
    ...(work !== undefined && { work: { untrusted: work } }),
  };
}

/** A task in a list: enough to choose one. */
export function showTaskInList(task: Task, maxBytes: number): Shown {
  const { taskId, taskType, status, supervisor, assignedTo, attempt, version, percent, priority, createdAt } = task;
  const { description } = task;
  return {
    ...{ taskId, taskType, status, supervisor, assignedTo, attempt, version, percent, priority, createdAt },
    ...(task.question?.state === "open" && { openQuestion: task.question.questionId }),
    untrusted: untrusted({ from: supervisor, role: "supervisor" }, { description }, Math.min(maxBytes, 256)),
  };
}

/** @param supervisor of the task: who asks where the task is a gate */
export function showQuestion(
  question: TaskQuestion | z.output<typeof openQuestionSchema>,
  supervisor: string,
  maxBytes: number,
): Shown {
  const { text, schema, options, defaultAnswer, answer, askedBy, answeredBy, ...facts } = question;
  const given = untrusted({ from: answeredBy }, { answer }, maxBytes);
  return {
    ...facts,
    untrusted: untrusted({ from: askedBy ?? supervisor }, { text, schema, options, defaultAnswer }, maxBytes),
    ...(given !== undefined && { given: { untrusted: given } }),
  };
}

/** An agent as the directory has it. */
export function showEntry({ capabilities, ...facts }: DirectoryEntry, maxBytes: number): Shown {
  return { ...facts, untrusted: untrusted({ from: facts.agentId, role: facts.role }, { capabilities }, maxBytes) };
}

export function showAgent(agent: Agent, maxBytes: number): Shown {
  const { metadata, capabilities, performance, ...facts } = agent;
  const { completed, failed, lost, successRate } = performance;
  return {
    ...facts,
    performance: { completed, failed, lost, successRate },
    untrusted: untrusted({ from: agent.agentId, role: agent.role }, { capabilities, metadata }, maxBytes),
  };
}
