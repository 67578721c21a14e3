import type { Command } from "commander";
import type { AgentClient } from "../client/agent-client.ts";
import { systemClock } from "../lib/model/clock.ts";
import { printableJson, printableLines } from "../lib/model/printable.ts";
import { EXIT, UsageError } from "./exit-codes.ts";
import { renewKeptToken, serviceClient } from "./service-client.ts";
import type { View } from "./view.ts";

/** Where the command line finds the service unless told otherwise: the port of `npm start` and of `func start`. */
export const DEFAULT_URL = "http://127.0.0.1:7071/api";

/** The process around the command line. */
export interface Terminal {
  write(text: string): void;
  writeError(text: string): void;
  readInput(): Promise<Uint8Array>;
  readFile(path: string): Promise<Uint8Array>;
  writeFile(path: string, text: string): Promise<void>;
  environment: Readonly<Record<string, string | undefined>>;
  /** Columns of a terminal; undefined when the output goes elsewhere. */
  columns: number | undefined;
}

/** What a command works with. */
export interface Context {
  client: AgentClient;
  terminal: Terminal;
  /** Prints the reply: as JSON with --json, otherwise as `text` makes it. */
  print<Reply>(reply: Reply, text: (reply: Reply, view: View) => string): void;
}

/** What a command does; a number that it resolves to is the exit code. */
export type Work = (context: Context) => Promise<unknown>;

/** Runs the work of the command that commander chose. */
export class Runner {
  readonly #terminal: Terminal;
  exitCode: number = EXIT.OK;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  async run(command: Command, work: Work): Promise<void> {
    const { url, json = false } = command.optsWithGlobals<{ url?: string; json?: boolean }>();
    const { environment } = this.#terminal;
    const baseUrl = url ?? (environment.AGENT_COMMUNICATION_URL || DEFAULT_URL);
    if (!/^https?:\/\//.test(baseUrl) || !URL.canParse(baseUrl)) {
      throw new UsageError(`${baseUrl} is not the URL of a service, such as ${DEFAULT_URL}.`);
    }
    // The time at which it is printed: the answer to a call that took a second says nothing that is yet to come.
    const view = (): View => ({ columns: this.#terminal.columns, now: systemClock.now() });
    const client = await serviceClient(baseUrl, this.#terminal);
    const code = await work({
      client,
      terminal: this.#terminal,
      // The views escape what stands in a line; this is for what they might forget.
      print: (reply, text) =>
        this.#terminal.write(`${json ? printableJson(reply, 2) : printableLines(text(reply, view()))}\n`),
    });
    if (typeof code === "number") this.exitCode = code;
    await renewKeptToken(client, this.#terminal);
  }
}
