import type { Command } from "commander";
import { parse } from "../lib/model/parse.ts";
import {
  type PairUsage,
  reportUsageSchema,
  USAGE_GROUPS,
  type UsageGroup,
  type UsageLine,
} from "../lib/model/usage.ts";
import type { Runner } from "./context.ts";
import { type PageOptions, withNext, withPage } from "./list.ts";
import { readJson, toList, toNumber } from "./options.ts";
import { type Column, table } from "./table.ts";

const MICROS_PER_DOLLAR = 1_000_000;

const SUMS: readonly Column<PairUsage>[] = [
  { title: "input", value: (usage) => usage.inputTokens, right: true },
  { title: "cache read", value: (usage) => usage.cacheReadInputTokens, right: true },
  { title: "cache write", value: (usage) => usage.cacheWriteInputTokens, right: true },
  { title: "output", value: (usage) => usage.outputTokens, right: true },
  { title: "reasoning", value: (usage) => usage.reasoningOutputTokens, right: true },
  { title: "USD", value: (usage) => (usage.costMicros / MICROS_PER_DOLLAR).toFixed(4), right: true },
];

const PAIR: readonly Column<PairUsage>[] = [
  { title: "provider", value: ({ provider }) => provider },
  { title: "model", value: ({ model }) => model },
];

const GROUPS: Readonly<Record<UsageGroup, Column<UsageLine>>> = {
  hour: { title: "hour", value: ({ hour }) => hour?.slice(0, 16).replace("T", " ") },
  day: { title: "day", value: ({ day }) => day?.slice(0, 10) },
  agent: { title: "agent", value: ({ agentId }) => agentId },
  taskType: { title: "type", value: ({ taskType }) => taskType },
  supervisor: { title: "supervisor", value: ({ supervisor }) => supervisor },
  provider: { title: "provider", value: ({ provider }) => provider },
  model: { title: "model", value: ({ model }) => model },
};

interface UsageOptions extends PageOptions {
  by?: string[];
  from?: string;
  to?: string;
  supervisor?: string;
  agent?: string;
  type?: string;
}

/** usage: what models have cost. */
export function addUsageCommand(program: Command, runner: Runner): void {
  withPage(program.command("usage").description("show what tasks have used of models, in whole hours (UTC)"))
    .option("--by <list>", `what the sums tell apart: ${USAGE_GROUPS.join(", ")}`, toList)
    .option("--from <time>", "from this hour on (ISO 8601; default: 30 days before --to)")
    .option("--to <time>", "before this time (ISO 8601; default: now)")
    .option("--supervisor <agentId>", "of tasks that this supervisor assigned")
    .option("--agent <agentId>", "of attempts of this agent")
    .option("--type <taskType>", "of tasks of this type")
    .action(({ by = [], agent, type, ...options }: UsageOptions, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const query = { ...options, agentId: agent, taskType: type, by: by.length === 0 ? undefined : by.join(",") };
        print(await client.usage(query), ({ from, to, usage, nextCursor }, view) => {
          const columns = [
            ...USAGE_GROUPS.filter((group) => by.includes(group)).map((group) => GROUPS[group]),
            ...SUMS,
          ];
          const shown = usage.length === 0 ? "nothing was reported" : table(columns, usage, view);
          return withNext(`${from} to ${to}\n${shown}`, nextCursor);
        });
      }),
    );
}

interface ReportOptions {
  agent?: string;
  attempt?: number;
  report?: string;
}

/** tasks usage: what a task has used; with --report, what an attempt has used. */
export function addTaskUsage(tasks: Command, runner: Runner): void {
  tasks
    .command("usage <taskId>")
    .description("show what the attempts of a task have used of models; with --report, book what one of them has used")
    .option("--report <json>", "totals of an attempt: a list as in POST /tasks/{taskId}/usage (JSON, @file or -)")
    .option("--agent <agentId>", "the agent of the attempt, with --report")
    .option("--attempt <n>", "the attempt, with --report", toNumber)
    .action((taskId: string, { report, agent, attempt }: ReportOptions, command: Command) =>
      runner.run(command, async ({ client, print, terminal }) => {
        if (report === undefined) {
          const { usage = [] } = await client.getTask(taskId);
          return print({ taskId, usage }, (shown, view) =>
            shown.usage.length === 0 ? "nothing was reported" : table([...PAIR, ...SUMS], shown.usage, view),
          );
        }
        if (agent === undefined || attempt === undefined) command.error("--report needs --agent and --attempt");
        const usage = await readJson(terminal, report, "--report");
        const body = parse(reportUsageSchema, { agentId: agent, attempt, usage }, "report");
        const reply = await client.reportUsage(taskId, body);
        print(reply, (shown, view) => table([...PAIR, ...SUMS], shown.usage, view));
      }),
    );
}
