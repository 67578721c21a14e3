import type { Command } from "commander";
import type { AgentClient } from "../client/agent-client.ts";
import type { OpenQuestion } from "../lib/model/question.ts";
import type { Runner } from "./context.ts";
import { type PageOptions, page, withPage } from "./list.ts";
import { readJson } from "./options.ts";
import { type Column, properties } from "./table.ts";

const COLUMNS: readonly Column<OpenQuestion>[] = [
  { title: "task", value: (question) => question.taskId },
  { title: "question", value: (question) => question.questionId, right: true },
  { title: "type", value: (question) => question.taskType },
  { title: "asked by", value: (question) => question.askedBy ?? question.supervisor },
  { title: "asked", value: (question) => question.askedAt, time: true },
  { title: "until", value: (question) => question.expiresAt, time: true },
  { title: "options", value: (question) => question.options?.join(", "), text: true },
  { title: "text", value: (question) => question.text, text: true },
];

/** questions list: what waits for an answer. */
export function addQuestionCommands(program: Command, runner: Runner): void {
  const questions = program.command("questions").description("see what tasks ask");
  withPage(questions.command("list").description("list open questions, the oldest first"))
    .option("--agent <agentId>", "those that this agent may answer")
    .action(({ agent, limit, cursor }: PageOptions & { agent?: string }, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const reply = await client.listQuestions({ agentId: agent, limit, cursor });
        print(reply, ({ questions: rows, nextCursor }, view) => page(COLUMNS, rows, nextCursor, view));
      }),
    );
}

interface AnswerOptions {
  agent: string;
  question?: string;
  value?: string;
  workflow?: string;
}

/** The id of a task that is named by its ref in a workflow. */
async function taskOfRef(client: AgentClient, workflowId: string, ref: string): Promise<string | undefined> {
  const { tasks } = await client.getWorkflow(workflowId);
  return tasks.find((task) => task.ref === ref)?.taskId;
}

/** tasks answer: a text as it is, or with --value any JSON. */
export function addAnswer(tasks: Command, runner: Runner): void {
  tasks
    .command("answer <taskId> [answer]")
    .description("answer the question of a task with a text, or with --value")
    .requiredOption("--agent <agentId>", "the agent that answers")
    .option("--workflow <workflowId>", "the task is named by its ref in this workflow")
    .option("--question <questionId>", "the question (default: the open one)")
    .option("--value <json>", "an answer that is not a text: JSON, @file or - for standard input")
    .action((named: string, text: string | undefined, options: AnswerOptions, command: Command) =>
      runner.run(command, async ({ client, print, terminal }) => {
        if ((text === undefined) === (options.value === undefined)) command.error("give either an answer or --value");
        const answer = options.value === undefined ? (text ?? "") : await readJson(terminal, options.value, "--value");
        const { workflow } = options;
        const taskId = workflow === undefined ? named : await taskOfRef(client, workflow, named);
        if (taskId === undefined) command.error(`workflow ${workflow} has no task ${named}`);
        const questionId = options.question ?? (await client.getTask(taskId)).question?.questionId;
        if (questionId === undefined) command.error(`task ${taskId} asks nothing`);
        print(await client.answerTask(taskId, { agentId: options.agent, questionId, answer }), properties);
      }),
    );
}
