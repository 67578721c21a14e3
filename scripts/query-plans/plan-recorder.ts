import type { Connection, Request } from "tedious";
import { BABELFISH_SETTINGS, readBabelfishPlan } from "./babelfish-plan.ts";
import { sendEach } from "./loop-joins.ts";
import type { StatementPlan } from "./plan.ts";
import { readShowplanXml } from "./showplan-xml.ts";

/**
 * Turns the engine's plans on in the sessions of a pool and takes them out of the answers, so that the store sends its very
 * texts and inputs and reads its own recordsets as always.
 */

/** How an engine is asked for the plans of what it runs, and how they read. */
interface Engine {
  /** Sent once per session. */
  settings: readonly string[];
  on: string;
  off: string;
  /** The one column of a recordset that is a plan. */
  column: RegExp;
  read: (plan: string) => StatementPlan[];
}

const SQL_SERVER: Engine = {
  settings: [],
  on: "SET STATISTICS XML ON",
  off: "SET STATISTICS XML OFF",
  column: /XML Showplan$/,
  read: readShowplanXml,
};

const BABELFISH: Engine = {
  settings: BABELFISH_SETTINGS,
  on: "SET BABELFISH_STATISTICS PROFILE ON",
  off: "SET BABELFISH_STATISTICS PROFILE OFF",
  column: /^QUERY PLAN$/,
  read: readBabelfishPlan,
};

/** A recordset, as the driver tells of it while it arrives. */
const ENDS_OF_RECORDSET: ReadonlySet<string> = new Set(["done", "doneInProc", "doneProc"]);

export class PlanRecorder {
  readonly #engine: Engine;
  #recording = false;
  #plans: StatementPlan[] = [];

  /** @param version what the server says it is */
  constructor(version: string) {
    this.#engine = version.startsWith("Babelfish") ? BABELFISH : SQL_SERVER;
  }

  /** The plans of every statement that is sent while `act` runs. */
  async record(act: () => Promise<unknown>): Promise<StatementPlan[]> {
    this.#plans = [];
    this.#recording = true;
    try {
      await act();
    } finally {
      this.#recording = false;
    }
    return this.#plans;
  }

  /** For `beforeConnect` of the pool. */
  attach(connection: Connection): void {
    const [execute, call] = [connection.execSql.bind(connection), connection.callProcedure.bind(connection)];
    let pending: string[] = [...this.#engine.settings];
    let on = false;
    const prepared = (request: Request, then: () => void): void => {
      if (on !== this.#recording) {
        on = this.#recording;
        pending.push(on ? this.#engine.on : this.#engine.off);
      }
      if (on) this.#takePlansOutOf(request);
      const statements = pending;
      pending = [];
      sendEach(connection, statements, then);
    };
    connection.execSql = (request: Request) => prepared(request, () => execute(request));
    connection.callProcedure = (request: Request) => prepared(request, () => call(request));
  }

  #takePlansOutOf(request: Request): void {
    const emit = request.emit.bind(request);
    let inPlan = false;
    // The driver's own type of this method is a list of overloads, one per event.
    request.emit = ((event: string, ...values: never[]): boolean => {
      if (event === "columnMetadata") inPlan = this.#isPlan(values[0]);
      if (!inPlan) return Reflect.apply(emit, request, [event, ...values]);
      if (event === "row") this.#read(values[0]);
      if (ENDS_OF_RECORDSET.has(event)) inPlan = false;
      return true;
    }) as Request["emit"];
  }

  #isPlan(columns: readonly { colName: string }[] | undefined): boolean {
    return columns?.length === 1 && this.#engine.column.test(columns[0]?.colName ?? "");
  }

  #read(row: readonly { value: unknown }[] | undefined): void {
    this.#plans.push(...this.#engine.read(String(row?.[0]?.value)));
  }
}
