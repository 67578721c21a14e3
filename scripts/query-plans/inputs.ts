import { randomUUID } from "node:crypto";
import { requestHash } from "../../src/lib/model/ids.ts";
import { type SendMessageInput, sendMessageSchema } from "../../src/lib/model/message.ts";
import { type AssignTaskInput, assignTaskSchema } from "../../src/lib/model/task.ts";
import type { NewMessage, NewTask } from "../../src/lib/store/store.ts";

/** Inputs as the domain hands them to a store: parsed, with an id and the hash of the body. */

/** 200 bytes of JSON. */
export const PAYLOAD = { text: "x".repeat(189) };

export function newMessage(input: SendMessageInput): NewMessage {
  const body = sendMessageSchema.parse(input);
  return { ...body, messageId: randomUUID(), requestHash: requestHash(body) };
}

/** With a day of time, so that no deadline passes while something is measured. */
export function newTask(input: AssignTaskInput): NewTask {
  const { question: _, ...body } = assignTaskSchema.parse(input);
  return {
    ...body,
    taskId: body.taskId ?? randomUUID(),
    timeoutSeconds: body.timeoutSeconds ?? 86_400,
    maxRetries: body.maxRetries ?? 3,
    requestHash: requestHash(body),
  };
}
