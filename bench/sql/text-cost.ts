import type { config } from "mssql";
import type { Connection, Request } from "tedious";

/**
 * What a call's text costs before anything of it runs: the same text with the same inputs, under a condition that is false.
 * SQL Server keeps the plan of a text that it has seen; a server that reads every text anew shows it here.
 */
export class TextCost {
  #only = false;

  /** Adds itself to the sessions of a pool. */
  watch(settings: config): config {
    const { beforeConnect } = settings;
    return {
      ...settings,
      beforeConnect: (connection) => {
        beforeConnect?.(connection);
        this.#attach(connection);
      },
    };
  }

  /** Runs `call` with its text disarmed; that the answer is empty is none of its faults. */
  async of(call: () => Promise<unknown>): Promise<void> {
    this.#only = true;
    try {
      await call();
    } catch {
      // The decoding of an empty answer.
    } finally {
      this.#only = false;
    }
  }

  #attach(connection: Connection): void {
    const execute = connection.execSql.bind(connection);
    connection.execSql = (request: Request) => {
      if (this.#only) request.sqlTextOrProcedure = `IF 1 = 0 BEGIN\n${request.sqlTextOrProcedure}\nEND;`;
      execute(request);
    };
  }
}
