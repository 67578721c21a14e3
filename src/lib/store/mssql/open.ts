import type { SqlSettings } from "../../config/sql-settings.ts";
import { auditVerbs } from "../audit-verbs.ts";
import { bindVerbs } from "../bound-verbs.ts";
import { channelVerbs } from "../channel-verbs.ts";
import { credentialVerbs } from "../credential-verbs.ts";
import { deadLetterVerbs } from "../dead-letter-verbs.ts";
import { messageTypeVerbs } from "../message-type-verbs.ts";
import { retryVerbs } from "../retry-verbs.ts";
import { scheduleVerbs } from "../schedule-verbs.ts";
import type { Store } from "../store.ts";
import { deregisterAgent, getAgent, heartbeat, listAgents, registerAgent } from "./agents.ts";
import { answerQuestion } from "./answers.ts";
import { previewAssignment } from "./assignment.ts";
import { entryEngine } from "./audit.ts";
import { blockEngine } from "./audit-blocks.ts";
import { broadcastMessage } from "./broadcast-message.ts";
import { cancelTask } from "./cancel-task.ts";
import { channelEngine } from "./channels.ts";
import { claimMessages } from "./claim-messages.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { credentialEngine } from "./credentials.ts";
import { deadLetterEngine } from "./dead-letters.ts";
import { getDependencies } from "./dependency-results.ts";
import { giveBackMessages } from "./give-back.ts";
import { messageTypeEngine } from "./message-types.ts";
import { findDeliverable, getMessage, peekMessages, relationToMessage } from "./messages.ts";
import { countOutdated, findOutdated, replaceOutdated } from "./outdated.ts";
import { poolOf } from "./pool-config.ts";
import { getQuestion, listQuestions } from "./question-reading.ts";
import { renewLease } from "./renew-lease.ts";
import { retryEngine } from "./retries.ts";
import { scheduleEngine } from "./schedules.ts";
import { sendMessages } from "./send-messages.ts";
import { settleMessages } from "./settle-messages.ts";
import { checkHealth, coordinationStatistics, queueStatistics, registryStatistics } from "./statistics.ts";
import { suspendTask } from "./suspensions.ts";
import { nextTaskDue } from "./sweep-tasks.ts";
import {
  findTaskVersions,
  getAssignments,
  getTask,
  getTaskHistory,
  isSensitiveTask,
  listTasks,
  relationToTask,
} from "./task-reading.ts";

import { completeTask, failTask, progressTask, startTask } from "./task-transitions.ts";
import { assignTask } from "./tasks.ts";
import { maintain, sweep, sweepDueTasks } from "./upkeep.ts";
import { readUsage, reportUsage } from "./usage.ts";
import { purgeMailbox, withdrawMessage } from "./withdraw-messages.ts";
import { cancelWorkflow, createWorkflow, getWorkflow, listWorkflows, ownsWorkflow } from "./workflows.ts";

/** How to open the store on Azure SQL. */
export interface MssqlStoreOptions extends Pick<ConnectionOptions, "settings" | "clock" | "onFault"> {
  sql: SqlSettings;
}

/**
 * The store on an Azure SQL database. Connects with the first call; a database that is away, or not migrated, is
 * STORE_UNAVAILABLE then, and is tried again by the next call.
 *
 * @example
 * const store = openMssqlStore({ sql, settings, clock: systemClock });
 */
export function openMssqlStore({ sql, ...options }: MssqlStoreOptions): Store {
  return storeOver(new Connection({ ...options, ...poolOf(sql, options.clock, options.onFault) }));
}

/** The store over a connection; closing it closes the connection. */
export function storeOver(connection: Connection): Store {
  return {
    ...bindVerbs(VERBS, (verb: (connection: Connection) => unknown) => verb(connection)),
    ...channelVerbs(channelEngine(connection)),
    ...deadLetterVerbs(deadLetterEngine(connection)),
    ...retryVerbs({ ...retryEngine(connection), getWorkflow: (workflowId) => getWorkflow(connection, workflowId) }),
    ...messageTypeVerbs(messageTypeEngine(connection)),
    ...scheduleVerbs(scheduleEngine(connection)),
    ...auditVerbs({ ...entryEngine(connection), ...blockEngine(connection) }),
    ...credentialVerbs(credentialEngine(connection)),
    now: () => connection.now(),
    onDeliverable: (listener) => connection.onDeliverable(listener),
    close: () => connection.close(),
  };
}

const VERBS = {
  registerAgent,
  getAgent,
  listAgents,
  deregisterAgent,
  heartbeat,
  sendMessages,
  broadcastMessage,
  getMessage,
  relationToMessage,
  peekMessages,
  findDeliverable,
  claimMessages,
  settleMessages,
  renewLease,
  giveBackMessages,
  withdrawMessage,
  purgeMailbox,
  assignTask,
  previewAssignment,
  getTask,
  findTaskVersions,
  getDependencies,
  listTasks,
  isSensitiveTask,
  relationToTask,
  getAssignments,
  getTaskHistory,
  startTask,
  progressTask,
  completeTask,
  failTask,
  suspendTask,
  reportUsage,
  answerQuestion,
  getQuestion,
  listQuestions,
  cancelTask,
  createWorkflow,
  getWorkflow,
  listWorkflows,
  cancelWorkflow,
  ownsWorkflow,
  countOutdated,
  findOutdated,
  replaceOutdated,
  queueStatistics,
  registryStatistics,
  coordinationStatistics,
  checkHealth,
  sweep,
  sweepDueTasks,
  nextTaskDue,
  readUsage,
  maintain,
};
