import { once } from "node:events";
import { createServer } from "node:net";
import { AppProcess } from "./app-process.ts";
import type { Scenario } from "./scenarios.ts";

/** How long an app takes to start, in fresh processes. */

/** Medians, in milliseconds since the import of the app's entry began. */
export interface StartUp {
  /** Its functions are registered. */
  imported: number;
  /** Its store is loaded, and opened where it is a file. */
  started: number;
  /** Processor time until then, which others on the machine do not lengthen. */
  processor: number;
  /** It connects to its database, or to the identity endpoint for a token; undefined where there is nothing to connect to. */
  connecting: number | undefined;
}

/** A server that takes connections, notes when the first one came, and says nothing. */
async function silentServer(): Promise<{ port: number; connected: Promise<number>; close: () => void }> {
  const server = createServer();
  const connected = once(server, "connection").then(([socket]) => {
    socket.on("error", () => {});
    return performance.timeOrigin + performance.now();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return { port: address.port, connected, close: () => server.close() };
}

async function startOnce(folder: string, scenario: Scenario): Promise<StartUp> {
  const { port, connected, close } = await silentServer();
  const { app, started } = await AppProcess.start(folder, scenario.settings(port));
  const connecting = scenario.loads.length > 0 ? (await connected) - started.began : undefined;
  app.kill();
  close();
  return {
    imported: started.importMilliseconds,
    started: started.startMilliseconds,
    processor: started.processorMilliseconds,
    connecting,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Starts the app in `folder` some times, one after the other, the first (which fills the disk's cache) not counted. */
export async function measureStartUp(folder: string, scenario: Scenario, times: number): Promise<StartUp> {
  await startOnce(folder, scenario);
  const runs: StartUp[] = [];
  for (let run = 0; run < times; run += 1) runs.push(await startOnce(folder, scenario));
  const connecting = runs.flatMap((run) => (run.connecting === undefined ? [] : [run.connecting]));
  return {
    imported: median(runs.map((run) => run.imported)),
    started: median(runs.map((run) => run.started)),
    processor: median(runs.map((run) => run.processor)),
    connecting: connecting.length > 0 ? median(connecting) : undefined,
  };
}
