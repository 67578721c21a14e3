import type { Command } from "commander";
import { parse } from "../lib/model/parse.ts";
import { type Firing, putScheduleSchema, type Schedule, type ScheduleSummary } from "../lib/model/schedule.ts";
import type { Runner } from "./context.ts";
import { type PageOptions, page, withPage } from "./list.ts";
import { readSource } from "./options.ts";
import { type Column, properties, table } from "./table.ts";
import type { View } from "./view.ts";
import { readYaml } from "./yaml.ts";

const COLUMNS: readonly Column<ScheduleSummary>[] = [
  { title: "schedule", value: ({ scheduleId }) => scheduleId },
  { title: "supervisor", value: ({ supervisor }) => supervisor },
  { title: "cron", value: ({ cron }) => cron },
  { title: "timezone", value: ({ timezone }) => timezone },
  { title: "creates", value: ({ creates }) => creates },
  { title: "overlap", value: ({ overlap }) => overlap },
  { title: "enabled", value: ({ enabled }) => (enabled ? "yes" : "no") },
  { title: "next due", value: ({ nextDueAt }) => nextDueAt, time: true },
];

const FIRING_COLUMNS: readonly Column<Firing>[] = [
  { title: "due", value: ({ dueAt }) => dueAt ?? "triggered" },
  { title: "fired", value: ({ firedAt }) => firedAt, time: true },
  { title: "outcome", value: ({ outcome }) => outcome },
  { title: "task or workflow", value: ({ taskId, workflowId }) => taskId ?? workflowId },
  { title: "status", value: ({ status }) => status },
  { title: "error", value: ({ error }) => error, text: true },
];

/** A schedule and its last firings. What it creates is left to --json: a workflow may have 200 tasks. */
function described({ task: _task, workflow: _workflow, firings, ...facts }: Schedule, view: View): string {
  const fired = firings.length === 0 ? "not fired yet" : table(FIRING_COLUMNS, firings, view);
  return [properties(facts, view), "", fired].join("\n");
}

/** schedules: put, list, show, trigger, delete. */
export function addScheduleCommands(program: Command, runner: Runner): void {
  const schedules = program.command("schedules").description("create tasks or workflows again and again");
  schedules
    .command("put <scheduleId> <file>")
    .description(
      "create or replace a schedule by a YAML or JSON file (- for standard input), as PUT /schedules takes it",
    )
    .option("--supervisor <agentId>", "in place of the file's")
    .action((scheduleId: string, file: string, { supervisor }: { supervisor?: string }, command: Command) =>
      runner.run(command, async ({ client, print, terminal }) => {
        const written = readYaml(await readSource(terminal, file === "-" ? file : `@${file}`, "schedule"), file);
        const isObject = typeof written === "object" && written !== null && !Array.isArray(written);
        const given = isObject ? { ...written, ...(supervisor && { supervisor }) } : written;
        print(await client.putSchedule(scheduleId, parse(putScheduleSchema, given, "schedule")), described);
      }),
    );

  withPage(schedules.command("list").description("list schedules, ordered by id"))
    .option("--supervisor <agentId>")
    .action(({ supervisor, limit, cursor }: PageOptions & { supervisor?: string }, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const reply = await client.listSchedules({ supervisor, limit, cursor });
        print(reply, ({ schedules: rows, nextCursor }, view) => page(COLUMNS, rows, nextCursor, view));
      }),
    );

  schedules
    .command("show <scheduleId>")
    .description("show a schedule with its next due time and last firings; --json shows what it creates, too")
    .action((scheduleId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.getSchedule(scheduleId), described)),
    );

  schedules
    .command("trigger <scheduleId>")
    .description("create its task or workflow now; its due times stay")
    .action((scheduleId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.triggerSchedule(scheduleId), properties)),
    );

  schedules
    .command("delete <scheduleId>")
    .description("delete a schedule; what it has created stays")
    .action((scheduleId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.deleteSchedule(scheduleId), properties)),
    );
}
