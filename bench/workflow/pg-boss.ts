import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { PAYLOAD } from "../services.ts";
import { FAN } from "./ours.ts";

/** The peer of fan-out and fan-in: `flow()` of pg-boss on a PostgreSQL, where the two are given; nothing here depends on it. */

/** As much of pg-boss 12 as is used here; the words for it are ours, the code is its own. */
interface Boss {
  start(): Promise<unknown>;
  stop(options: { graceful: boolean }): Promise<void>;
  createQueue(name: string): Promise<void>;
  flow(jobs: { ref: string; name: string; data: object; dependsOn?: string[] }[]): Promise<unknown>;
  fetch(name: string, options: { batchSize: number }): Promise<{ id: string }[]>;
  complete(name: string, ids: string[], data: object): Promise<unknown>;
  resolveFlow(): Promise<void>;
}

export interface Peer {
  /** Creates a flow and works it off. */
  runFan(): Promise<void>;
  stop(): Promise<void>;
}

const QUEUE = "bench";

/** @param folder in which pg-boss is installed @param postgres the URL of an empty database */
export async function openPgBoss(folder: string, postgres: string): Promise<Peer> {
  const file = createRequire(join(resolve(folder), "package.json")).resolve("pg-boss");
  const { PgBoss } = (await import(pathToFileURL(file).href)) as { PgBoss: new (url: string) => Boss };
  const boss = new PgBoss(postgres);
  await boss.start();
  await boss.createQueue(QUEUE);
  return { runFan: () => runFan(boss), stop: () => boss.stop({ graceful: false }) };
}

/** All that are free are fetched and completed in one call each, and what waits for them is freed at once, not by its timer of 5 s. */
async function runFan(boss: Boss): Promise<void> {
  const sides = Array.from({ length: FAN - 2 }, (_, index) => `side-${index}`);
  const jobOf = (ref: string, dependsOn: string[]) => ({ ref, name: QUEUE, data: PAYLOAD, dependsOn });
  await boss.flow([jobOf("root", []), ...sides.map((ref) => jobOf(ref, ["root"])), jobOf("join", sides)]);
  for (let done = 0; done < FAN; ) {
    const jobs = await boss.fetch(QUEUE, { batchSize: FAN });
    if (jobs.length > 0)
      await boss.complete(
        QUEUE,
        jobs.map(({ id }) => id),
        { ok: true },
      );
    done += jobs.length;
    if (done < FAN) await boss.resolveFlow();
  }
}
