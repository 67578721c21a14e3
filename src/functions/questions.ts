import { OWN_BODY, OWN_QUESTIONS } from "../lib/http/ownership.ts";
import { defineRoute } from "../lib/http/route.ts";
import { withMailbox } from "./allowed-callers.ts";
import { QUESTION } from "./examples.ts";

/** The routes of those who answer questions of tasks. */

export const answerTask = defineRoute({
  key: "POST /tasks/{taskId}/answer",
  name: "answerTask",
  summary: "Answers the question of a task",
  description:
    "The supervisor of the task, admins and the agents in `askedOf` may answer, once; the agent that asked may not. The task goes on with the answer; a gate ends with it. The same answer again gets the same reply, another one is `409 ALREADY_ANSWERED`.",
  example: {
    body: { agentId: "lead", questionId: "4", answer: "deploy" },
    reply: {
      taskId: "deploy-1",
      questionId: "4",
      status: "pending",
      answeredBy: "lead",
      answeredAt: "2026-03-01T09:40:00.000Z",
    },
  },
  idle: false,
  allow: withMailbox(OWN_BODY),
  statuses: [200],
  async handler(services, { params, body }) {
    return { status: 200, body: await services.questions.answer(params.taskId, body) };
  },
});

export const listQuestions = defineRoute({
  key: "GET /questions",
  name: "listQuestions",
  summary: "Lists open questions, the oldest first",
  description:
    "An agent that is not an admin sees those that it may answer. With `agentId` an admin sees those of that agent.",
  example: { reply: { questions: [QUESTION], nextCursor: null } },
  idle: false,
  allow: withMailbox(OWN_QUESTIONS),
  statuses: [200],
  async handler(services, { query }) {
    return { status: 200, body: await services.questions.list(query) };
  },
});
