import type { Command } from "commander";
import { parse } from "../lib/model/parse.ts";
import { printableJson } from "../lib/model/printable.ts";
import { putScheduleSchema, type ScheduleSummary } from "../lib/model/schedule.ts";
import type { Runner } from "./context.ts";
import { type PageOptions, page, withPage } from "./list.ts";
import { readSource } from "./options.ts";
import { type Column, properties } from "./table.ts";
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
        print(await client.putSchedule(scheduleId, parse(putScheduleSchema, given, "schedule")), (reply) =>
          printableJson(reply, 2),
        );
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
    .description("show a schedule with its next due time and last firings")
    .action((scheduleId: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) =>
        print(await client.getSchedule(scheduleId), (schedule) => printableJson(schedule, 2)),
      ),
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
