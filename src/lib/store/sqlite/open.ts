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
import { Connection, type SqliteStoreOptions } from "./connection.ts";
import { credentialEngine } from "./credentials.ts";
import { deadLetterEngine } from "./dead-letters.ts";
import { getDependencies } from "./dependency-results.ts";
import { giveBackMessages } from "./give-back.ts";
import { messageTypeEngine } from "./message-types.ts";
import { findDeliverable, getMessage, peekMessages, relationToMessage } from "./messages.ts";
import { countOutdated, findOutdated, replaceOutdated } from "./outdated.ts";
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
import type { Transaction } from "./transaction.ts";
import { maintain, sweep, sweepDueTasks } from "./upkeep.ts";
import { readUsage, reportUsage } from "./usage.ts";
import { purgeMailbox, withdrawMessage } from "./withdraw-messages.ts";
import {
  cancelWorkflow,
  createWorkflow,
  getWorkflow,
  isLongWorkflow,
  listWorkflows,
  ownsWorkflow,
} from "./workflows.ts";

export type { SqliteStoreOptions } from "./connection.ts";

/**
 * The embedded store on Node's own SQLite.
 *
 * @throws whatever SQLite says of a file that it cannot open or that is no database of ours
 * @example
 * const store = openSqliteStore({ file: ".data/agents.db", settings, clock: systemClock });
 */
export function openSqliteStore(options: SqliteStoreOptions): Store {
  const connection = new Connection(options);
  const { clock } = options;
  return {
    ...readingVerbs(connection),
    ...writingVerbs(connection),
    ...channelVerbs(channelEngine(connection)),
    ...deadLetterVerbs(deadLetterEngine(connection)),
    ...retryVerbs({
      ...retryEngine(connection),
      getWorkflow: async (workflowId) => connection.read((transaction) => getWorkflow(transaction, workflowId)),
    }),
    ...messageTypeVerbs(messageTypeEngine(connection)),
    ...scheduleVerbs(scheduleEngine(connection)),
    ...auditVerbs({ ...entryEngine(connection), ...blockEngine(connection) }),
    ...credentialVerbs(credentialEngine(connection)),
    deregisterAgent: (agentId) => deregisterAgent(connection, agentId),
    readUsage: (query) => readUsage(connection, query),
    checkHealth: () => checkHealth(connection),
    sweep: () => {
      connection.lookAtFiles();
      return sweep(connection);
    },
    sweepDueTasks: () => sweepDueTasks(connection),
    maintain: () => maintain(connection, clock),
    now: () => clock.now(),
    onDeliverable: (listener) => connection.onDeliverable(listener),
    close: () => connection.close(),
  };
}

type Transition = (transaction: Transaction) => unknown;

function readingVerbs(connection: Connection) {
  const verbs = {
    getAgent,
    listAgents,
    getMessage,
    relationToMessage,
    peekMessages,
    findDeliverable,
    previewAssignment,
    getTask,
    findTaskVersions,
    getDependencies,
    listTasks,
    isSensitiveTask,
    relationToTask,
    getAssignments,
    getTaskHistory,
    getQuestion,
    listQuestions,
    getWorkflow,
    listWorkflows,
    ownsWorkflow,
    countOutdated,
    findOutdated,
    queueStatistics,
    registryStatistics,
    coordinationStatistics,
    nextTaskDue,
  };
  return bindVerbs(verbs, (verb: Transition) => connection.read(verb)) satisfies Partial<Store>;
}

function writingVerbs(connection: Connection) {
  const verbs = {
    registerAgent,
    heartbeat,
    sendMessages,
    broadcastMessage,
    claimMessages,
    settleMessages,
    renewLease,
    giveBackMessages,
    withdrawMessage,
    purgeMailbox,
    assignTask,
    startTask,
    progressTask,
    completeTask,
    failTask,
    answerQuestion,
    reportUsage,
    cancelTask,
    suspendTask,
    replaceOutdated,
  };
  return {
    ...bindVerbs(verbs, (verb: Transition) => connection.write(verb)),
    ...workflowVerbs(connection),
  } satisfies Partial<Store>;
}

/** Of those that touch many tasks a group has one. */
function workflowVerbs(connection: Connection) {
  return {
    createWorkflow: (workflow) =>
      connection.write((transaction) => createWorkflow(transaction, workflow), isLongWorkflow(workflow)),
    cancelWorkflow: (workflowId, reason) =>
      connection.write((transaction) => cancelWorkflow(transaction, workflowId, reason), true),
  } satisfies Partial<Store>;
}
