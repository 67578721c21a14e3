import tab from "@bomb.sh/tab/commander";
import { Command, CommanderError } from "commander";
import { printableJson, printableLines } from "../lib/model/printable.ts";
import { VERSION } from "../lib/model/version.ts";
import { addAgentCommands } from "./agent-commands.ts";
import { addAuditCommands } from "./audit-commands.ts";
import { addBootstrapCommand } from "./bootstrap-command.ts";
import { addChannelCommands } from "./channel-commands.ts";
import { DEFAULT_URL, Runner, type Terminal } from "./context.ts";
import { addCopyCommand } from "./copy-command.ts";
import { addCredentialCommands } from "./credential-commands.ts";
import { addDeadLetterCommands } from "./dead-letter-commands.ts";
import { describeError, EXIT, errorDocument, exitCodeOf } from "./exit-codes.ts";
import { addKeyCommands } from "./key-commands.ts";
import { addMessageCommands } from "./message-commands.ts";
import { addMessageTypeCommands } from "./message-type-commands.ts";
import { addQuestionCommands } from "./question-commands.ts";
import { addScheduleCommands } from "./schedule-commands.ts";
import { addStatusCommands } from "./status-commands.ts";
import { addTaskCommands } from "./task-commands.ts";
import { addUsageCommand } from "./usage-commands.ts";
import { addWorkflowCommands } from "./workflow-commands.ts";

const EXIT_CODES = `
Exit codes: 0 done · 1 refused, failed or unhealthy · 2 wrong command line · 3 no service answered.
For services that require a credential: AGENT_COMMUNICATION_TOKEN, or AGENT_COMMUNICATION_CERTIFICATE_FILE and _KEY_FILE.
AGENT_COMMUNICATION_AGENT_ID names the agent that an application acts as; AGENT_COMMUNICATION_CA_FILE the authority of the
server's certificate.`;

function buildProgram(runner: Runner, terminal: Terminal): Command {
  const program = new Command("agent-communication")
    .description("Inspect and operate a running agent-communication service.")
    .option("--url <url>", `address of the service (default: AGENT_COMMUNICATION_URL, or ${DEFAULT_URL})`)
    .option("--json", "print the reply or the error as JSON")
    .version(VERSION, "--version", "print the version of this program")
    .addHelpText("after", EXIT_CODES)
    .configureOutput({ writeOut: terminal.write, writeErr: (text) => terminal.writeError(printableLines(text)) });
  addStatusCommands(program, runner);
  addAgentCommands(program, runner);
  addCredentialCommands(program, runner);
  addBootstrapCommand(program, runner);
  addMessageCommands(program, runner);
  addChannelCommands(program, runner);
  addTaskCommands(program, runner);
  addQuestionCommands(program, runner);
  addWorkflowCommands(program, runner);
  addScheduleCommands(program, runner);
  addUsageCommand(program, runner);
  addDeadLetterCommands(program, runner);
  addMessageTypeCommands(program, runner);
  addKeyCommands(program, runner);
  addAuditCommands(program, runner);
  addCopyCommand(program, runner);
  tab(program, { completionCommandName: "completion" });
  for (const command of everyCommand(program)) command.exitOverride().showHelpAfterError("(add --help for help)");
  return program;
}

/** Settings are inherited only by commands made after them; so they are set on each. */
function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/**
 * Runs one command line.
 *
 * @param words what stands behind the program's name
 * @returns the exit code; see EXIT
 * @example
 * process.exitCode = await runCommandLine(["health", "--json"], terminal);
 */
export async function runCommandLine(words: readonly string[], terminal: Terminal): Promise<number> {
  const runner = new Runner(terminal);
  const asJson = wantsJson(words);
  // Commander writes its own errors, as text; a program that reads JSON gets them from the catch below.
  const quiet: Terminal = asJson ? { ...terminal, writeError: () => {} } : terminal;
  try {
    await buildProgram(runner, quiet).parseAsync(words, { from: "user" });
    return runner.exitCode;
  } catch (error) {
    const code = exitCodeOf(error);
    if (asJson && code !== EXIT.OK) terminal.writeError(`${printableJson(errorDocument(error))}\n`);
    else if (!(error instanceof CommanderError)) terminal.writeError(`${describeError(error)}\n`);
    return code;
  }
}

/** Asked before the words are parsed, since the words themselves may be what is wrong. */
function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end < 0 ? words : words.slice(0, end)).includes("--json");
}
