import { openConnection, settingsOf } from "../../scripts/query-plans/database.ts";
import { readConfig } from "../../src/lib/config/config.ts";
import { systemClock } from "../../src/lib/model/clock.ts";
import { createServices } from "../../src/lib/services.ts";
import { storeOver } from "../../src/lib/store/mssql/open.ts";
import { benchCosts } from "../workflow/main.ts";

/** Of each a round: a workflow of 200 tasks is most of a second on a slow server. */
const PER_ROUND = { workflows: 2, tasks: 20 };

/** The cost of workflows and questions on Azure SQL, compared with messages and plain tasks. */
export async function benchWaiting(database: string, sessions: number, rounds: number): Promise<void> {
  const store = storeOver(openConnection({ ...settingsOf(database), poolSize: sessions }));
  const services = createServices({ config: readConfig({}), clock: systemClock, store });
  await benchCosts(services, rounds, PER_ROUND).finally(() => store.close());
}
