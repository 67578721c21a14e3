import type { Command } from "commander";
import { systemClock } from "../lib/model/clock.ts";
import type { CopiedCount } from "../lib/store/copy/copy-store.ts";
import type { Runner, Terminal } from "./context.ts";
import { oneOf } from "./options.ts";
import { databaseError, readDatabaseSettings, readMockSettings } from "./own-database.ts";

/**
 * copy: from the embedded database to Azure SQL. The one command that opens databases itself: no service may serve either
 * of them meanwhile, so none can be asked.
 */

interface CopyCommandOptions {
  from: "mock";
  to: "sql";
  includeLeased?: boolean;
  includeEncrypted?: boolean;
}

export function addCopyCommand(program: Command, runner: Runner): void {
  program
    .command("copy")
    .description("copy agents, open messages and tasks from the embedded database to Azure SQL")
    .addOption(oneOf("--from <mode>", ["mock"], "mock: the file that AGENT_MOCK_DATABASE names").makeOptionMandatory())
    .addOption(
      oneOf(
        "--to <mode>",
        ["sql"],
        "sql: the migrated database that the AZURE_SQL_ settings name",
      ).makeOptionMandatory(),
    )
    .option("--include-leased", "also copy leased messages and assigned tasks, with their leases, instead of refusing")
    .option("--include-encrypted", "also copy encrypted values; services on the copy need the same key file")
    .action((options: CopyCommandOptions, command: Command) =>
      runner.run(command, async ({ terminal, print }) => {
        const { json = false } = command.optsWithGlobals<{ json?: boolean }>();
        const copied = await copy(terminal, options, (count) => json || terminal.write(`${line(count)}\n`));
        if (json) print(copied, () => "");
      }),
    );
}

/** As they are done: a large copy takes minutes. */
function line({ kind, copied, present }: CopiedCount): string {
  const before = present === 0 ? "" : `, ${present} were there`;
  return `${kind.padEnd(20)}${String(copied).padStart(10)}${before}`;
}

async function copy(
  terminal: Terminal,
  options: CopyCommandOptions,
  onCopied: (count: CopiedCount) => void,
): Promise<{ from: string; to: string; copied: CopiedCount[] }> {
  const config = { ...readMockSettings(terminal.environment), sql: readDatabaseSettings(terminal.environment) };
  // Loaded by this command only: both engines are behind them.
  const [{ openCopy }, { copyStore }] = await Promise.all([
    import("../lib/store/open-store.ts"),
    import("../lib/store/copy/copy-store.ts"),
  ]);
  const { source, target } = await openCopy(config, systemClock);
  try {
    const { includeLeased = false, includeEncrypted = false } = options;
    const copied = await copyStore(source, target, { includeLeased, includeEncrypted, onCopied });
    return { from: source.name, to: target.name, copied };
  } catch (error) {
    throw databaseError(error, target.name);
  } finally {
    source.close();
    await target.close();
  }
}
