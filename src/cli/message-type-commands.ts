import type { Command } from "commander";
import type { MessageTypeDefinition } from "../lib/model/message.ts";
import { printableJson } from "../lib/model/printable.ts";
import type { Runner } from "./context.ts";
import { type PageOptions, page, withPage } from "./list.ts";
import { readJson } from "./options.ts";
import { type Column, properties } from "./table.ts";

const COLUMNS: readonly Column<MessageTypeDefinition>[] = [
  { title: "type", value: (definition) => definition.type },
  { title: "updated", value: (definition) => definition.updatedAt, time: true },
  { title: "schema", value: (definition) => definition.schema, text: true },
];

/** message-types: list, show, put, delete. */
export function addMessageTypeCommands(program: Command, runner: Runner): void {
  const types = program.command("message-types").description("manage custom message types and their JSON Schemas");

  withPage(types.command("list").description("list the registered types, ordered by name")).action(
    ({ limit, cursor }: PageOptions, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const reply = await client.listMessageTypes({ limit, cursor });
        print(reply, ({ messageTypes, nextCursor }, view) => page(COLUMNS, messageTypes, nextCursor, view));
      }),
  );

  types
    .command("show <type>")
    .description("show a type with its schema")
    .action((type: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) =>
        print(await client.getMessageType(type), (definition) => printableJson(definition, 2)),
      ),
    );

  types
    .command("put <type>")
    .description("register a type, or replace its schema")
    .requiredOption("--schema <json>", "JSON Schema 2020-12; @file or - for standard input")
    .action((type: string, { schema }: { schema: string }, command: Command) =>
      runner.run(command, async ({ client, print, terminal }) => {
        // Whatever JSON was given: the service says precisely what is wrong with a schema.
        const parsed = (await readJson(terminal, schema, "--schema")) as MessageTypeDefinition["schema"];
        print(await client.putMessageType(type, parsed), properties);
      }),
    );

  types
    .command("delete <type>")
    .description("delete a type; its payloads are then no longer checked")
    .action((type: string, _options: object, command: Command) =>
      runner.run(command, async ({ client, print }) => print(await client.deleteMessageType(type), properties)),
    );
}
