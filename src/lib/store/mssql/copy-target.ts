import type { SqlSettings } from "../../config/sql-settings.ts";
import type { Clock } from "../../model/clock.ts";
import type { CopyTarget, Holdings } from "../copy/copied-rows.ts";
import type { StoreSettings } from "../store.ts";
import { text } from "./batch.ts";
import { Connection } from "./connection.ts";
import { READ_ASKED } from "./copied-table.ts";
import { copyChannels } from "./copy-channels.ts";
import { copyCredentials } from "./copy-credentials.ts";
import { copyMessages } from "./copy-messages.ts";
import { copyAgents, copyMessageTypes } from "./copy-registry.ts";
import { copyArchivedTasks, copyEndedDependencies, copyTaskEvents, copyUsageHours } from "./copy-task-history.ts";
import { copyTasks } from "./copy-tasks.ts";
import { copyArchivedValues, copySchedules, copyWaits, copyWorkflows } from "./copy-waiting.ts";
import { poolOf } from "./pool-config.ts";
import { sqlText } from "./texts.ts";

/** The Azure SQL database as the target of a copy. (Its twin is the source: this way only.) */

export interface CopyTargetOptions {
  sql: SqlSettings;
  settings: StoreSettings;
  clock: Clock;
}

const HOLDINGS = sqlText(
  "copy-holdings",
  `${READ_ASKED}SELECT a.agent_id, (SELECT COUNT(*) FROM dbo.messages AS m WHERE m.receiver_no = a.agent_no) AS messages,
  (SELECT COUNT(*) FROM dbo.tasks AS t WHERE t.supervisor_no = a.agent_no) AS tasks
FROM @asked AS i JOIN dbo.agents AS a ON a.agent_id = i.id;
`,
);

/** Opens the database, which has been migrated, lazily: whether it can be reached is known by the first row. */
export function openCopyTarget({ sql, settings, clock }: CopyTargetOptions): CopyTarget {
  const connection = new Connection({ ...poolOf(sql, clock), settings, clock });
  return {
    name: `${sql.database} on ${sql.server}`,
    tables: {
      messageTypes: copyMessageTypes(connection),
      agents: copyAgents(connection),
      credentials: copyCredentials(connection),
      channelMailboxes: copyAgents(connection),
      channels: copyChannels(connection),
      workflows: copyWorkflows(connection),
      tasks: copyTasks(connection),
      waits: copyWaits(connection),
      taskEvents: copyTaskEvents(connection),
      endedDependencies: copyEndedDependencies(connection),
      archivedTasks: copyArchivedTasks(connection),
      usageHours: copyUsageHours(connection),
      archivedValues: copyArchivedValues(connection),
      schedules: copySchedules(connection),
      messages: copyMessages(connection),
    },
    holdings: async (agentIds) => {
      const asked = JSON.stringify(agentIds.map((id) => ({ id })));
      return (await connection.query(HOLDINGS, { items: text(asked) })).rows<Holdings>(0);
    },
    close: () => connection.close(),
  };
}
