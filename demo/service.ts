import { makeAdmin } from "./credentials.ts";
import type { Processes } from "./processes.ts";

/** The service of the demo: one process on a file of its own, or several on the database of AZURE_SQL_…. */

const SQL_PROCESSES = 3;

export interface Service {
  /** The base URL of each process. */
  urls: readonly string[];
  /** Of an admin, where credentials are asked. */
  adminToken?: string;
  /** Kills one process with SIGKILL and starts it again on its port; undefined, and nothing happens, if it is the only one. */
  killAndRestart(): Promise<{ name: string; pid: number | undefined } | undefined>;
}

/**
 * @param database the file for mode `mock`, which is the default
 * @param credentials whether the service asks for them, of an admin that is made first
 */
export async function startService(processes: Processes, database: string, credentials: boolean): Promise<Service> {
  const sql = process.env.AGENT_COMMUNICATION_MODE === "sql";
  const environment: Record<string, string> = {
    AGENT_AUTH_MODE: credentials ? "required" : "none",
    ...(sql
      ? { AGENT_COMMUNICATION_MODE: "sql" }
      : { AGENT_COMMUNICATION_MODE: "mock", AGENT_MOCK_DATABASE: database }),
  };
  const admin = credentials ? { adminToken: await makeAdmin(environment) } : {};
  if (!sql) {
    const url = await processes.startHost("service", environment);
    return { ...admin, urls: [url], killAndRestart: async () => undefined };
  }
  const names = Array.from({ length: SQL_PROCESSES }, (_, index) => `service-${index + 1}`);
  const urls = await Promise.all(names.map((name) => processes.startHost(name, environment)));
  const name = names.at(-1) ?? "";
  const port = Number(new URL(urls.at(-1) ?? "").port);
  return {
    ...admin,
    urls,
    killAndRestart: async () => {
      const pid = await processes.killed(name);
      await processes.startHost(name, environment, port);
      return { name, pid };
    },
  };
}
