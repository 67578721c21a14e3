import type { Command } from "commander";
import { parse } from "../lib/model/parse.ts";
import {
  createWorkflowSchema,
  WORKFLOW_STATUSES,
  type WorkflowStatus,
  type WorkflowSummary,
} from "../lib/model/workflow.ts";
import type { Runner } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import { type PageOptions, page, withPage } from "./list.ts";
import { oneOf, readSource } from "./options.ts";
import { type Column, properties } from "./table.ts";
import { workflowTree } from "./workflow-tree.ts";
import { readYaml } from "./yaml.ts";

const COLUMNS: readonly Column<WorkflowSummary>[] = [
  { title: "workflow", value: ({ workflowId }) => workflowId },
  { title: "supervisor", value: ({ supervisor }) => supervisor },
  { title: "status", value: ({ status }) => status },
  { title: "completed", value: ({ counts }) => counts.completed, right: true },
  { title: "failed", value: ({ counts }) => counts.failed, right: true },
  { title: "open", value: ({ counts }) => openOf(counts), right: true },
  { title: "created", value: ({ createdAt }) => createdAt, time: true },
  { title: "ended", value: ({ endedAt }) => endedAt, time: true },
];

function openOf({ blocked, pending, assigned, running, input_required }: WorkflowSummary["counts"]): number {
  return blocked + pending + assigned + running + input_required;
}

interface RunOptions {
  supervisor?: string;
  workflowId?: string;
  wait?: boolean;
}

/** workflows: run, show, list, cancel. */
export function addWorkflowCommands(program: Command, runner: Runner): void {
  const workflows = program
    .command("workflows")
    .description("create tasks that depend on each other, and see how far they are");
  workflows
    .command("run <file>")
    .description("create the workflow of a YAML or JSON file (- for standard input), as POST /workflows takes it")
    .option("--supervisor <agentId>", "in place of the file's")
    .option("--workflow-id <id>", "in place of the file's; a repeat with the same id creates nothing twice")
    .option("--wait", "until it has ended; the exit code is 1 when it did not complete")
    .action((file: string, { supervisor, workflowId, wait = false }: RunOptions, command: Command) =>
      runner.run(command, async ({ client, print, terminal }) => {
        const text = await readSource(terminal, file === "-" ? file : `@${file}`, "workflow");
        const written = readYaml(text, file);
        const given = { ...(supervisor && { supervisor }), ...(workflowId && { workflowId }) };
        const isObject = typeof written === "object" && written !== null && !Array.isArray(written);
        const body = parse(createWorkflowSchema, isObject ? { ...written, ...given } : written, "workflow");
        const created = await client.createWorkflow(body);
        if (!wait) return print(created, properties);
        const ended = await client.waitForWorkflow(created.workflowId);
        print(ended, workflowTree);
        return ended.status === "completed" ? EXIT.OK : EXIT.REFUSED;
      }),
    );

  workflows
    .command("show <workflowId>")
    .description("show a workflow with its tasks as a tree")
    .action((workflowId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.getWorkflow(workflowId), workflowTree)),
    );

  withPage(workflows.command("list").description("list workflows, newest first"))
    .option("--supervisor <agentId>")
    .addOption(oneOf("--status <status>", WORKFLOW_STATUSES))
    .action((options: PageOptions & { supervisor?: string; status?: WorkflowStatus }, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const { supervisor, status, limit, cursor } = options;
        const reply = await client.listWorkflows({ supervisor, status, limit, cursor });
        print(reply, ({ workflows: rows, nextCursor }, view) => page(COLUMNS, rows, nextCursor, view));
      }),
    );

  workflows
    .command("cancel <workflowId>")
    .description("cancel the open tasks of a workflow; asks the workers of running ones to stop")
    .option("--reason <text>")
    .action((workflowId: string, { reason }: { reason?: string }, command: Command) =>
      runner.run(command, async ({ client, print }) =>
        print(await client.cancelWorkflow(workflowId, reason), properties),
      ),
    );

  workflows
    .command("retry <workflowId>")
    .description("re-open the tasks of a workflow that failed, and what ended because of them")
    .option("--reason <text>", "for their histories")
    .action((workflowId: string, { reason }: { reason?: string }, command: Command) =>
      runner.run(command, async ({ client, print }) =>
        print(await client.retryWorkflow(workflowId, reason), properties),
      ),
    );
}
