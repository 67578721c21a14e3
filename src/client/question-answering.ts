import { type ErrorCode, isAgentCommunicationError } from "../lib/model/errors.ts";
import type { JsonValue } from "../lib/model/json.ts";
import type { AgentClient } from "./agent-client.ts";
import { PermanentError } from "./handler-errors.ts";
import { jsonResult } from "./json-result.ts";
import type { MessageContext, MessageHandler } from "./message-runner.ts";
import { type AskedQuestion, readQuestion } from "./payloads.ts";

/** Answers the questions that tasks ask of an agent, by its user's code. */

/**
 * @returns the answer, any JSON that fits; undefined leaves the question open, for people or other agents
 * @throws what it throws brings the question again, a bounded number of times; a PermanentError leaves it open at once
 */
export type QuestionHandler = (
  question: AskedQuestion,
  context: MessageContext,
) => JsonValue | undefined | Promise<JsonValue | undefined>;

/** Another answer was first, its time is over, or the task has ended: there is nothing to answer any more. */
const CLOSED: readonly ErrorCode[] = ["ALREADY_ANSWERED", "TASK_ENDED", "TASK_NOT_FOUND", "NOT_FOUND"];

/**
 * Handles `task_question` messages.
 *
 * @param onError told what `handle` threw, and of an answer that does not fit; must not throw
 */
export function answering(options: {
  client: AgentClient;
  agentId: string;
  handle: QuestionHandler;
  onError(error: unknown): void;
}): MessageHandler {
  const { client, agentId, handle, onError } = options;
  return async ({ payload }, context) => {
    const question = readQuestion(payload);
    if (question === undefined) throw new PermanentError("this is no question");
    const { taskId, questionId } = question;
    try {
      const answer = jsonResult(await handle(question, context));
      if (answer === undefined) return;
      await client.answerTask(taskId, { agentId, questionId, answer }, { traceparent: context.traceparent });
    } catch (error) {
      if (CLOSED.some((code) => isAgentCommunicationError(error, code))) return;
      onError(error);
      throw error;
    }
  };
}

/**
 * What handles the messages of an agent that are not of its own tasks: questions by `onQuestion`, the rest by `onMessage`. Without
 * `onMessage` nothing but questions may be received.
 *
 * @returns undefined where all of them are left in the mailbox
 */
export function messageHandler(
  options: {
    client: AgentClient;
    agentId: string;
    onMessage?: MessageHandler | undefined;
    onQuestion?: QuestionHandler | undefined;
  },
  onError: (error: unknown) => void,
): MessageHandler | undefined {
  const { client, agentId, onMessage, onQuestion } = options;
  if (onQuestion === undefined) return onMessage;
  const answer = answering({ client, agentId, handle: onQuestion, onError });
  return (message, context) => (message.type === "task_question" ? answer : onMessage)?.(message, context);
}
