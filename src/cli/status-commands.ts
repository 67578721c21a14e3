import type { Command } from "commander";
import { printableJson } from "../lib/model/printable.ts";
import type { Runner } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import { properties } from "./table.ts";

/** health, stats, metrics, maintenance, openapi: what is going on, and the upkeep. */
export function addStatusCommands(program: Command, runner: Runner): void {
  program
    .command("health")
    .description("check whether the service works; exit code 1 when it does not")
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
    .description("show all statistics")
    .option("--prometheus", "as Prometheus text")
    .action((options: { prometheus?: boolean }, command: Command) =>
      runner.run(command, async ({ client, print, terminal }) => {
        if (options.prometheus) terminal.write(await client.metricsText());
        else print(await client.metrics(), properties);
      }),
    );

  program
    .command("maintenance")
    .description("run the daily maintenance now")
    .action((_options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.runMaintenance(), properties)),
    );

  program
    .command("openapi")
    .description("print the OpenAPI document of the service")
    .action((_options: object, command: Command) =>
      runner.run(command, async ({ client, print }) =>
        print(await client.openapi(), (document) => printableJson(document, 2)),
      ),
    );
}

function addStatistics(program: Command, runner: Runner): void {
  const stats = program.command("stats").description("show the statistics of messages, agents or tasks");
  stats
    .command("queue")
    .description("show message counts, rate, age and dead letters")
    .action((_options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.queueStatistics(), properties)),
    );
  stats
    .command("registry")
    .description("show agent counts and load")
    .action((_options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.registryStatistics(), properties)),
    );
  stats
    .command("coordination")
    .description("show task counts by status and outcome")
    .action((_options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.coordinationStatistics(), properties)),
    );
}
