import type { Processes } from "./processes.ts";

/** The service of the demo: one process on a file of its own, or several on the database of AZURE_SQL_…. */

const SQL_PROCESSES = 3;

export interface Service {
  /** The base URL of each process. */
  urls: readonly string[];
  /** Kills one process with SIGKILL and starts it again on its port; undefined, and nothing happens, if it is the only one. */
  killAndRestart(): Promise<{ name: string; pid: number | undefined } | undefined>;
}

/** @param database the file for mode `mock`, which is the default */
export async function startService(processes: Processes, database: string): Promise<Service> {
  if (process.env.AGENT_COMMUNICATION_MODE !== "sql") {
    const environment = { AGENT_COMMUNICATION_MODE: "mock", AGENT_MOCK_DATABASE: database };
    return { urls: [await processes.startHost("service", environment)], killAndRestart: async () => undefined };
  }
  const environment = { AGENT_COMMUNICATION_MODE: "sql" };
  const names = Array.from({ length: SQL_PROCESSES }, (_, index) => `service-${index + 1}`);
  const urls = await Promise.all(names.map((name) => processes.startHost(name, environment)));
  const name = names.at(-1) ?? "";
  const port = Number(new URL(urls.at(-1) ?? "").port);
  return {
    urls,
    killAndRestart: async () => {
      const pid = await processes.killed(name);
      await processes.startHost(name, environment, port);
      return { name, pid };
    },
  };
}
