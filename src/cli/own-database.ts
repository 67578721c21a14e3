import { type Config, ConfigError, readConfig } from "../lib/config/config.ts";
import { readSqlSettings, type SqlSettings } from "../lib/config/sql-settings.ts";
import { isAgentCommunicationError } from "../lib/model/errors.ts";
import type { Terminal } from "./context.ts";

/** For the commands that open a database themselves: no service is asked, so none has to be safe to reach. */

type Environment = Terminal["environment"];

function givenIn(environment: Environment): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));
}

/** The settings of the embedded database, whatever mode is set. @throws ConfigError */
export function readMockSettings(environment: Environment): Config {
  const { AGENT_AUTH_MODE: _auth, AGENT_HTTP_HOST: _host, ...rest } = givenIn(environment);
  return readConfig({ ...rest, AGENT_COMMUNICATION_MODE: "mock" });
}

/** The settings of the Azure SQL database, whatever mode is set. @throws ConfigError */
export function readDatabaseSettings(environment: Environment): SqlSettings {
  const sql = readSqlSettings(givenIn(environment));
  if ("problems" in sql) throw new ConfigError(sql.problems);
  return sql.settings;
}

/** The database of the mode that is set. @throws ConfigError */
export function readStoreSettings(environment: Environment): Config {
  const config = readMockSettings(environment);
  if (environment.AGENT_COMMUNICATION_MODE !== "sql") return config;
  return { ...config, mode: "sql", sql: readDatabaseSettings(environment) };
}

/**
 * An error of a database in one line. What the server said stands behind the store's own words, which are meant for callers of
 * a service; what is refused reads as a service would say it.
 *
 * @param name of the database, for people
 */
export function databaseError(error: unknown, name: string): unknown {
  if (isAgentCommunicationError(error) && error.code !== "STORE_UNAVAILABLE") return error;
  const text = error instanceof Error ? error.message : String(error);
  const cause = isAgentCommunicationError(error) ? error.cause : undefined;
  const said = cause instanceof Error ? ` (${cause.message})` : "";
  const whole = isAgentCommunicationError(error) ? `${name}: ${text}${said}` : text;
  return new Error(whole.replaceAll(/\s+/g, " ").trim(), { cause: error });
}
