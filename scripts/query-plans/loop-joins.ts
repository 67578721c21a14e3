import type { config } from "mssql";
import { type Connection, Request } from "tedious";

/**
 * Our texts ask for nested loops by key where a plan must not depend on estimates: OPTION (LOOP JOIN, FORCE ORDER). Babelfish
 * for PostgreSQL reads that and does not obey; it takes every JSON input for 100 rows of 100 each and scans a million rows
 * to join them. So its sessions are told the same in its own words. SQL Server needs none of this.
 */
const SETTINGS = ["enable_hashjoin", "enable_mergejoin"].map(
  (name) => `SELECT CAST(set_config('${name}', 'off', false) AS varchar(8)) AS value`,
);

/** Sends some batches one after the other, then goes on. */
export function sendEach(connection: Connection, statements: readonly string[], then: () => void): void {
  const [first, ...others] = statements;
  if (first === undefined) {
    then();
    return;
  }
  const request = new Request(first, (error) => {
    if (error instanceof Error) throw error;
    sendEach(connection, others, then);
  });
  connection.execSqlBatch(request);
}

/**
 * Sessions that take nested loops on a server that does not obey the hint.
 *
 * @param version what the server says it is
 */
export function withLoopJoins(settings: config, version: string): config {
  if (!version.startsWith("Babelfish")) return settings;
  const { beforeConnect } = settings;
  return {
    ...settings,
    beforeConnect: (connection) => {
      beforeConnect?.(connection);
      const [execute, call] = [connection.execSql.bind(connection), connection.callProcedure.bind(connection)];
      let pending: readonly string[] = SETTINGS;
      const afterSettings = (then: () => void): void => {
        const statements = pending;
        pending = [];
        sendEach(connection, statements, then);
      };
      connection.execSql = (request) => afterSettings(() => execute(request));
      connection.callProcedure = (request) => afterSettings(() => call(request));
    },
  };
}
