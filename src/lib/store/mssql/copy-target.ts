import type { Clock } from "../../clock.ts";
import type { SqlSettings } from "../../config/sql-settings.ts";
import type { CopyTarget } from "../copy/copied-rows.ts";
import type { StoreSettings } from "../store.ts";
import { Connection } from "./connection.ts";
import { copyMessages } from "./copy-messages.ts";
import { copyAgents, copyMessageTypes } from "./copy-registry.ts";
import { copyArchivedTasks, copyEndedDependencies, copyTaskEvents } from "./copy-task-history.ts";
import { copyTasks } from "./copy-tasks.ts";
import { checkSchema } from "./migrate.ts";
import { poolConfig } from "./pool-config.ts";

/** The Azure SQL database as the target of a copy. (Its twin is the source: this way only.) */

export interface CopyTargetOptions {
  sql: SqlSettings;
  settings: StoreSettings;
  clock: Clock;
}

/** Opens the database, which has been migrated, lazily: whether it can be reached is known by the first row. */
export function openCopyTarget({ sql, settings, clock }: CopyTargetOptions): CopyTarget {
  const connection = new Connection({ poolConfig: () => poolConfig(sql, clock), settings, clock, checkSchema });
  return {
    name: `${sql.database} on ${sql.server}`,
    tables: {
      messageTypes: copyMessageTypes(connection),
      agents: copyAgents(connection),
      tasks: copyTasks(connection),
      taskEvents: copyTaskEvents(connection),
      endedDependencies: copyEndedDependencies(connection),
      archivedTasks: copyArchivedTasks(connection),
      messages: copyMessages(connection),
    },
    close: () => connection.close(),
  };
}
