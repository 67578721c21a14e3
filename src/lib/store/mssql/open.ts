import type { SqlSettings } from "../../config/sql-settings.ts";
import type { Store } from "../store.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { checkSchema } from "./migrate.ts";
import { poolConfig } from "./pool-config.ts";

// TEMPORARY while the verbs are being written: loads what is there.
const VERBS: Record<string, readonly string[]> = {
  "agents.ts": ["registerAgent", "getAgent", "listAgents", "deregisterAgent", "heartbeat"],
  "send-messages.ts": ["sendMessages"],
  "messages.ts": ["getMessage", "peekMessages", "findDeliverable"],
  "claim-messages.ts": ["claimMessages"],
  "settle-messages.ts": ["settleMessages", "renewLease"],
  "dead-letters.ts": ["listDeadLetters", "redriveDeadLetters", "purgeDeadLetters"],
  "message-types.ts": ["putMessageType", "findMessageType", "listMessageTypes", "deleteMessageType"],
  "tasks.ts": ["assignTask"],
  "assignment.ts": ["previewAssignment"],
  "task-reading.ts": ["getTask", "listTasks", "getAssignments", "getTaskHistory"],
  "task-transitions.ts": ["startTask", "progressTask", "completeTask", "failTask"],
  "cancel-task.ts": ["cancelTask"],
  "statistics.ts": ["queueStatistics", "registryStatistics", "coordinationStatistics", "checkHealth"],
  "upkeep.ts": ["sweep", "maintain"],
};

export interface MssqlStoreOptions extends Pick<ConnectionOptions, "settings" | "clock" | "onFault"> {
  sql: SqlSettings;
}

export async function openMssqlStore({ sql, ...options }: MssqlStoreOptions): Promise<Store> {
  const connection = new Connection({ ...options, poolConfig: () => poolConfig(sql, options.clock), checkSchema });
  return storeOver(connection);
}

export async function storeOver(connection: Connection): Promise<Store> {
  const options = { clock: connection.clock };
  const store: Record<string, unknown> = {
    now: () => options.clock.now(),
    onDeliverable: (listener: (agentId: string) => void) => connection.onDeliverable(listener),
    close: () => connection.close(),
  };
  for (const [file, names] of Object.entries(VERBS)) {
    const module: Record<string, unknown> = await import(`./${file}`).catch((error: unknown) => ({ error }));
    for (const name of names) {
      const verb = module[name];
      store[name] =
        typeof verb === "function"
          ? (...rest: unknown[]) => verb(connection, ...rest)
          : async () => {
              throw new Error(`${name} of ${file} is not there: ${String(module.error)}`);
            };
    }
  }
  return store as unknown as Store;
}
