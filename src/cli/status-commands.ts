import type { Command } from "commander";
import { printableJson } from "../lib/printable.ts";
import type { Runner } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import { properties } from "./table.ts";

/** health, stats, metrics, maintenance, openapi: what is going on, and the upkeep. */
export function addStatusCommands(program: Command, runner: Runner): void {
  program
    .command("health")
    .description("whether the service and its parts work; exit code 1 when not")
    .action((_options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const health = await client.health();
        print(health, properties);
        return health.status === "healthy" ? EXIT.OK : EXIT.REFUSED;
      }),
    );

  addStatistics(program, runner);

  program
    .command("metrics")
    .description("all statistics at once")
    .option("--prometheus", "as Prometheus text")
    .action((options: { prometheus?: boolean }, command: Command) =>
      runner.run(command, async ({ client, print, terminal }) => {
        if (options.prometheus) terminal.write(await client.metricsText());
        else print(await client.metrics(), properties);
      }),
    );

  program
    .command("maintenance")
    .description("run the daily upkeep now")
    .action((_options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.runMaintenance(), properties)),
    );

  program
    .command("openapi")
    .description("the OpenAPI document of the service, as JSON")
    .action((_options: object, command: Command) =>
      runner.run(command, async ({ client, print }) =>
        print(await client.openapi(), (document) => printableJson(document, 2)),
      ),
    );
}

function addStatistics(program: Command, runner: Runner): void {
  const stats = program.command("stats").description("statistics of one part");
  stats
    .command("queue")
    .description("messages: how many, how old, how many dead letters")
    .action((_options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.queueStatistics(), properties)),
    );
  stats
    .command("registry")
    .description("agents: how many, how busy")
    .action((_options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.registryStatistics(), properties)),
    );
  stats
    .command("coordination")
    .description("tasks: how many, how they ended")
    .action((_options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.coordinationStatistics(), properties)),
    );
}
