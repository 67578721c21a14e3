import type { Command } from "commander";
import type { AgentClient } from "../client/agent-client.ts";
import type { JsonValue } from "../lib/model/json.ts";
import { parse } from "../lib/model/parse.ts";
import { suspendTaskSchema } from "../lib/model/suspension.ts";
import type { TaskReply } from "../lib/model/task.ts";
import { type Usage, usageSchema } from "../lib/model/usage.ts";
import type { Context, Runner } from "./context.ts";
import { given, readJson, toNumber } from "./options.ts";
import { properties } from "./table.ts";

/** What a worker says of the task that it has, so that a shell script can be one. */

/** The agent and attempt that a call is about. */
interface Attempt {
  agentId: string;
  attempt: number;
}

interface AttemptOptions {
  agent?: string;
  attempt?: number;
}

interface UsageOptions extends AttemptOptions {
  usage?: string;
}

/** As it was given; what was not is read from the task: the agent that has it, and its attempt now. */
async function attemptOf(
  client: AgentClient,
  taskId: string,
  { agent, attempt }: AttemptOptions,
  command: Command,
): Promise<Attempt> {
  if (agent !== undefined && attempt !== undefined) return { agentId: agent, attempt };
  const task = await client.getTask(taskId);
  const agentId = agent ?? task.assignedTo;
  if (agentId === undefined) command.error(`no agent has task ${taskId}, which is ${task.status}`);
  return { agentId, attempt: attempt ?? task.attempt };
}

/** The JSON of an option that may be absent. */
async function jsonOf({ terminal }: Context, text: string | undefined, name: string): Promise<JsonValue | undefined> {
  return text === undefined ? undefined : await readJson(terminal, text, name);
}

/** What `--usage` says, as part of a body. @throws AgentCommunicationError INVALID_REQUEST */
async function usageIn(context: Context, options: UsageOptions): Promise<{ usage?: Usage }> {
  const usage = await jsonOf(context, options.usage, "--usage");
  return usage === undefined ? {} : { usage: parse(usageSchema, usage, "usage") };
}

/** A command about an attempt. */
function attemptCommand(tasks: Command, usage: string, description: string): Command {
  return tasks
    .command(usage)
    .description(description)
    .option("--agent <agentId>", "the worker (default: the agent that has the task)")
    .option("--attempt <n>", "its attempt (default: the one that the task is at)", toNumber);
}

function withUsage(command: Command): Command {
  return command.option("--usage <json>", "what the attempt has used of models so far: a list (JSON, @file or -)");
}

/** tasks: start, progress, complete, fail, suspend. */
export function addTaskWork(tasks: Command, runner: Runner): void {
  addStart(tasks, runner);
  addProgress(tasks, runner);
  addComplete(tasks, runner);
  addFail(tasks, runner);
  addSuspend(tasks, runner);
}

function addStart(tasks: Command, runner: Runner): void {
  attemptCommand(tasks, "start <taskId>", "say that the worker of a task has begun").action(
    (taskId: string, options: AttemptOptions, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const attempt = await attemptOf(client, taskId, options, command);
        print<TaskReply>(await client.startTask(taskId, attempt), properties);
      }),
  );
}

interface ProgressOptions extends UsageOptions {
  percent?: number;
  note?: string;
  extendSeconds?: number;
}

function addProgress(tasks: Command, runner: Runner): void {
  withUsage(attemptCommand(tasks, "progress <taskId>", "say how far a task is; the reply says whether it is to stop"))
    .option("--percent <n>", "0 to 100", toNumber)
    .option("--note <text>")
    .option("--extend-seconds <n>", "move the deadline to so many seconds from now, if that is later", toNumber)
    .action((taskId: string, options: ProgressOptions, command: Command) =>
      runner.run(command, async (context) => {
        const { client, print } = context;
        const { percent, note, extendSeconds } = options;
        const usage = await usageIn(context, options);
        const attempt = await attemptOf(client, taskId, options, command);
        const body = { ...attempt, ...given({ percent, note, extendSeconds }), ...usage };
        print<TaskReply>(await client.progressTask(taskId, body), properties);
      }),
    );
}

function addComplete(tasks: Command, runner: Runner): void {
  withUsage(attemptCommand(tasks, "complete <taskId>", "complete a task"))
    .option("--result <json>", "any JSON; @file or - for standard input")
    .action((taskId: string, options: UsageOptions & { result?: string }, command: Command) =>
      runner.run(command, async (context) => {
        const { client, print } = context;
        const result = await jsonOf(context, options.result, "--result");
        const usage = await usageIn(context, options);
        const attempt = await attemptOf(client, taskId, options, command);
        print<TaskReply>(await client.completeTask(taskId, { ...attempt, ...given({ result }), ...usage }), properties);
      }),
    );
}

function addFail(tasks: Command, runner: Runner): void {
  withUsage(attemptCommand(tasks, "fail <taskId> <error>", "fail the attempt at a task; it is retried where it may be"))
    .option("--not-retryable", "fail the task for good")
    .action((taskId: string, error: string, options: UsageOptions & { notRetryable?: boolean }, command: Command) =>
      runner.run(command, async (context) => {
        const { client, print } = context;
        const usage = await usageIn(context, options);
        const attempt = await attemptOf(client, taskId, options, command);
        const body = { ...attempt, error, retryable: options.notRetryable !== true, ...usage };
        print<TaskReply>(await client.failTask(taskId, body), properties);
      }),
    );
}

interface SuspendOptions extends UsageOptions {
  checkpoint?: string;
  question?: string;
  at?: string;
  tasks?: string;
}

function addSuspend(tasks: Command, runner: Runner): void {
  withUsage(
    attemptCommand(tasks, "suspend <taskId>", "end the attempt until an answer, a time or other tasks wake the task"),
  )
    .option("--question <json>", 'until its answer: \'{"text":"Deploy?","options":["yes","no"]}\' (JSON, @file or -)')
    .option("--at <time>", "until a time (ISO 8601)")
    .option("--tasks <json>", "until these children have ended: a list of tasks (JSON, @file or -)")
    .option("--checkpoint <json>", "what the next attempt finds: any JSON; @file or - for standard input")
    .action((taskId: string, options: SuspendOptions, command: Command) =>
      runner.run(command, async (context) => {
        const { client, print } = context;
        const { question, at, tasks: children, checkpoint } = options;
        if ([question, at, children].filter((until) => until !== undefined).length !== 1) {
          command.error("give one of --question, --at and --tasks");
        }
        const until = given({
          question: await jsonOf(context, question, "--question"),
          at,
          tasks: await jsonOf(context, children, "--tasks"),
        });
        const kept = given({ checkpoint: await jsonOf(context, checkpoint, "--checkpoint") });
        const usage = await usageIn(context, options);
        const attempt = await attemptOf(client, taskId, options, command);
        const body = parse(suspendTaskSchema, { ...attempt, until, ...kept, ...usage }, "suspension");
        print(await client.suspendTask(taskId, body), properties);
      }),
    );
}
