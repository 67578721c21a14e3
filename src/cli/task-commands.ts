import type { Command } from "commander";
import type { DependencyInput } from "../lib/model/dependency.ts";
import type { Candidate, Explanation } from "../lib/model/explanation.ts";
import { parse } from "../lib/model/parse.ts";
import { askSchema } from "../lib/model/question.ts";
import { type DependencyResult, TASK_STATUSES, type Task, type TaskStatus } from "../lib/model/task.ts";
import type { TaskEvent } from "../lib/model/task-history.ts";
import { PRIORITIES, type Priority } from "../lib/model/values.ts";
import type { Context, Runner } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import { type PageOptions, page, withNext, withPage } from "./list.ts";
import { given, oneOf, readJson, toList, toNumber } from "./options.ts";
import { addAnswer } from "./question-commands.ts";
import { type Column, properties, table } from "./table.ts";
import { addTaskTake } from "./task-take-command.ts";
import { addTaskWork } from "./task-work-commands.ts";
import { addTaskUsage } from "./usage-commands.ts";
import type { View } from "./view.ts";

const COLUMNS: readonly Column<Task>[] = [
  { title: "task", value: (task) => task.taskId },
  { title: "type", value: (task) => task.taskType },
  { title: "status", value: (task) => task.status },
  { title: "priority", value: (task) => task.priority },
  { title: "%", value: (task) => task.percent, right: true },
  { title: "attempt", value: (task) => task.attempt, right: true },
  { title: "worker", value: (task) => task.assignedTo },
  { title: "created", value: (task) => task.createdAt, time: true },
  { title: "note or error", value: (task) => task.error ?? task.note, text: true },
];

const EVENT_COLUMNS: readonly Column<TaskEvent>[] = [
  { title: "at", value: (event) => event.at },
  { title: "event", value: (event) => event.event },
  { title: "attempt", value: (event) => event.attempt, right: true },
  { title: "worker", value: (event) => event.agentId },
  { title: "detail", value: (event) => event.detail, text: true },
];

const CANDIDATE_COLUMNS: readonly Column<Candidate & { chosen: boolean }>[] = [
  { title: "", value: (candidate) => (candidate.chosen ? "→" : " ") },
  { title: "worker", value: (candidate) => candidate.agentId },
  { title: "tasks", value: (candidate) => `${candidate.activeTasks}/${candidate.maxConcurrentTasks}`, right: true },
  { title: "load", value: (candidate) => candidate.load.toFixed(2), right: true },
  { title: "preferred", value: (candidate) => candidate.preferredCapabilities, right: true },
  { title: "reliability", value: (candidate) => candidate.reliability.toFixed(2), right: true },
  { title: "last assigned", value: (candidate) => candidate.lastAssignedAt, time: true },
];

const DEPENDENCY_COLUMNS: readonly Column<DependencyResult>[] = [
  { title: "ref", value: ({ ref }) => ref },
  { title: "task", value: ({ taskId }) => taskId },
  { title: "status", value: ({ status }) => status },
  { title: "result or error", value: outcomeOf, text: true },
];

function outcomeOf({ result, error, truncated }: DependencyResult): string | undefined {
  if (truncated === true) return "see the task itself";
  return error ?? (result === undefined ? undefined : JSON.stringify(result));
}

/** Who was considered, who was chosen, and why the others were not. */
export function explain({ policy, chosen, considered, excluded }: Explanation, view: View): string {
  const rows = considered.map((candidate) => ({ ...candidate, chosen: candidate.agentId === chosen }));
  const left = Object.entries(excluded)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason} ${count}`);
  return [
    `policy: ${policy}`,
    `chosen: ${chosen ?? "no worker; the task waits"}`,
    table(CANDIDATE_COLUMNS, rows, view),
    `not considered: ${left.join(", ") || "none"}`,
  ].join("\n");
}

/** tasks: assign, preview, list, show, wait, take, explain, history, dependencies, answer, usage, cancel, retry, and what workers say. */
export function addTaskCommands(program: Command, runner: Runner): void {
  const tasks = program.command("tasks").description("assign tasks, inspect them and work on them");
  addAssign(tasks, runner);
  addList(tasks, runner);
  addAnswer(tasks, runner);
  addTaskUsage(tasks, runner);
  addTaskTake(tasks, runner);
  addTaskWork(tasks, runner);

  addShow(tasks, runner);

  withPage(
    tasks
      .command("explain <taskId>")
      .description("explain each attempt: which workers were considered, which one was chosen, and why"),
  ).action((taskId: string, { limit, cursor }: PageOptions, command: Command) =>
    runner.run(command, async ({ client, print }) => {
      const reply = await client.getAssignments(taskId, { limit, cursor });
      print(reply, ({ assignments, nextCursor }, view) => {
        if (assignments.length === 0) return "not assigned yet";
        const attempts = assignments.map((attempt) => {
          const end = attempt.outcome === undefined ? "under way" : `${attempt.outcome} ${attempt.endedAt ?? ""}`;
          return `attempt ${attempt.attempt}: ${attempt.assignedAt} → ${end}\n${explain(attempt, view)}`;
        });
        return withNext(attempts.join("\n\n"), nextCursor);
      });
    }),
  );

  withPage(tasks.command("history <taskId>").description("list the events of a task, newest first")).action(
    (taskId: string, { limit, cursor }: PageOptions, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const reply = await client.getTaskHistory(taskId, { limit, cursor });
        print(reply, ({ events, nextCursor }, view) => page(EVENT_COLUMNS, events, nextCursor, view));
      }),
  );

  tasks
    .command("dependencies <taskId>")
    .description(
      "list how the tasks have ended that a task depends on, and its children; results while it is assigned or running",
    )
    .action((taskId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) =>
        print(await client.getTaskDependencies(taskId), ({ dependencies, children = [] }, view) =>
          table(DEPENDENCY_COLUMNS, [...dependencies, ...children], view),
        ),
      ),
    );

  tasks
    .command("cancel <taskId>")
    .description("cancel a task; asks the worker of a running task to stop")
    .option("--reason <text>")
    .action((taskId: string, { reason }: { reason?: string }, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.cancelTask(taskId, reason), properties)),
    );

  tasks
    .command("retry <taskId>")
    .description("re-open a task that failed or was cancelled, and what ended because of it")
    .option("--reason <text>", "for its history")
    .action((taskId: string, { reason }: { reason?: string }, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.retryTask(taskId, reason), properties)),
    );
}

function addShow(tasks: Command, runner: Runner): void {
  tasks
    .command("show <taskId>")
    .description("show a task with its result")
    .option("--wait", "until it has ended; the exit code is 1 when it did not complete")
    .action((taskId: string, { wait = false }: { wait?: boolean }, command: Command) =>
      runner.run(command, async (context) => {
        if (wait) return showEnded(context, taskId);
        const { client, print } = context;
        print(await client.getTask(taskId), properties);
        return EXIT.OK;
      }),
    );

  tasks
    .command("wait <taskId>")
    .description("wait until a task has ended and show it; the exit code is 1 when it did not complete")
    .action((taskId: string, _options: object, command: Command) =>
      runner.run(command, (context) => showEnded(context, taskId)),
    );
}

/** Waits until a task has ended, and shows it. @returns the exit code */
async function showEnded({ client, print }: Context, taskId: string): Promise<number> {
  const task = await client.waitForTask(taskId);
  print(task, properties);
  return task.status === "completed" ? EXIT.OK : EXIT.REFUSED;
}

interface AssignOptions {
  supervisor: string;
  description?: string;
  parameters?: string;
  sensitive?: boolean;
  require?: string[];
  prefer?: string[];
  priority?: Priority;
  timeoutSeconds?: number;
  startTimeoutSeconds?: number;
  maxRetries?: number;
  dependsOn?: string[];
  afterEnd?: string[];
  afterFailure?: string[];
  parent?: string;
  to?: string;
  children?: string[];
  expiresAt?: string;
  question?: string;
  taskId?: string;
}

function dependenciesOf({ dependsOn, afterEnd = [], afterFailure = [] }: AssignOptions): DependencyInput[] | undefined {
  if (dependsOn === undefined && afterEnd.length + afterFailure.length === 0) return undefined;
  return [
    ...(dependsOn ?? []),
    ...afterEnd.map((taskId) => ({ taskId, when: "ended" as const })),
    ...afterFailure.map((taskId) => ({ taskId, when: "failed" as const })),
  ];
}

function addAssign(tasks: Command, runner: Runner): void {
  const assign = tasks.command("assign <taskType>").description("create a task and assign it");
  const preview = tasks
    .command("preview <taskType>")
    .description("explain which worker assign would choose now; writes nothing");
  for (const command of [assign, preview]) {
    command
      .requiredOption("--supervisor <agentId>", "the supervisor that assigns the task")
      .option("--description <text>")
      .option("--parameters <json>", "any JSON; @file or - for standard input")
      .option("--sensitive", "encrypt parameters and result where they are stored")
      .option("--require <list>", "capabilities that the worker must have", toList)
      .option("--prefer <list>", "capabilities that the worker should have", toList)
      .addOption(oneOf("--priority <priority>", PRIORITIES))
      .option("--timeout-seconds <n>", "time limit of one attempt, from its assignment", toNumber)
      .option("--start-timeout-seconds <n>", "how long its worker may take to start it, from the assignment", toNumber)
      .option("--max-retries <n>", "retries after failures, timeouts and silent workers", toNumber)
      .option("--depends-on <list>", "task ids that must be completed first", toList)
      .option("--after-end <list>", "task ids that must have ended first, in whatever way", toList)
      .option("--after-failure <list>", "task ids that must have failed or been cancelled first", toList)
      .option("--parent <taskId>", "parent task, to filter lists by")
      .option("--to <agentId>", "only this worker")
      .option(
        "--children <list>",
        "task types that the worker may make children of; type* for all that begin so",
        toList,
      )
      .option("--expires-at <time>", "when the task ends wherever it is (ISO 8601)")
      .option("--question <json>", "make it a gate: its answer is the result, and no worker gets it (JSON, @file or -)")
      .option("--task-id <id>", "your own id; a repeat with the same id assigns nothing twice");
  }
  const bodyOf = async (
    taskType: string,
    options: AssignOptions,
    read: (text: string) => ReturnType<typeof readJson>,
  ) => ({
    taskType,
    supervisor: options.supervisor,
    ...(options.parameters === undefined ? {} : { parameters: await read(options.parameters) }),
    ...given({ description: options.description, priority: options.priority, taskId: options.taskId }),
    ...given({ sensitive: options.sensitive }),
    ...given({ requiredCapabilities: options.require, preferredCapabilities: options.prefer }),
    ...given({ startTimeoutSeconds: options.startTimeoutSeconds }),
    ...given({ timeoutSeconds: options.timeoutSeconds, maxRetries: options.maxRetries }),
    ...given({ dependsOn: dependenciesOf(options), parentTaskId: options.parent, assignTo: options.to }),
    ...given({ expiresAt: options.expiresAt }),
    ...(options.children === undefined ? {} : { children: { taskTypes: options.children } }),
    ...(options.question === undefined ? {} : { question: parse(askSchema, await read(options.question), "question") }),
  });
  assign.action((taskType: string, options: AssignOptions, command: Command) =>
    runner.run(command, async ({ client, print, terminal }) => {
      const body = await bodyOf(taskType, options, (text) => readJson(terminal, text, "--parameters"));
      print(await client.assignTask(body), properties);
    }),
  );
  preview.action((taskType: string, options: AssignOptions, command: Command) =>
    runner.run(command, async ({ client, print, terminal }) => {
      const body = await bodyOf(taskType, options, (text) => readJson(terminal, text, "--parameters"));
      print(await client.previewTask(body), explain);
    }),
  );
}

interface ListOptions extends PageOptions {
  status?: TaskStatus;
  supervisor?: string;
  worker?: string;
  type?: string;
  parent?: string;
}

function addList(tasks: Command, runner: Runner): void {
  withPage(tasks.command("list").description("list tasks, newest first"))
    .addOption(oneOf("--status <status>", TASK_STATUSES))
    .option("--supervisor <agentId>")
    .option("--worker <agentId>", "the worker that they are assigned to")
    .option("--type <taskType>")
    .option("--parent <taskId>")
    .action((options: ListOptions, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const { status, supervisor, limit, cursor } = options;
        const labels = { assignedTo: options.worker, taskType: options.type, parentTaskId: options.parent };
        const reply = await client.listTasks({ status, supervisor, limit, cursor, ...labels });
        print(reply, ({ tasks: rows, nextCursor }, view) => page(COLUMNS, rows, nextCursor, view));
      }),
    );
}
