import type { SqlSettings } from "../../config/sql-settings.ts";
import { auditVerbs } from "../audit-verbs.ts";
import { channelVerbs } from "../channel-verbs.ts";
import { credentialVerbs } from "../credential-verbs.ts";
import { deadLetterVerbs } from "../dead-letter-verbs.ts";
import { messageTypeVerbs } from "../message-type-verbs.ts";
import type { Store } from "../store.ts";
import { deregisterAgent, getAgent, heartbeat, listAgents, registerAgent } from "./agents.ts";
import { previewAssignment } from "./assignment.ts";
import { auditEngine } from "./audit.ts";
import { broadcastMessage } from "./broadcast-message.ts";
import { cancelTask } from "./cancel-task.ts";
import { channelEngine } from "./channels.ts";
import { claimMessages } from "./claim-messages.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { credentialEngine } from "./credentials.ts";
import { deadLetterEngine } from "./dead-letters.ts";
import { giveBackMessages } from "./give-back.ts";
import { messageTypeEngine } from "./message-types.ts";
import { findDeliverable, getMessage, peekMessages, relationToMessage } from "./messages.ts";
import { countOutdated, findOutdated, replaceOutdated } from "./outdated.ts";
import { poolOf } from "./pool-config.ts";
import { renewLease } from "./renew-lease.ts";
import { sendMessages } from "./send-messages.ts";
import { settleMessages } from "./settle-messages.ts";
import { checkHealth, coordinationStatistics, queueStatistics, registryStatistics } from "./statistics.ts";
import { getAssignments, getTask, getTaskHistory, isSensitiveTask, listTasks, relationToTask } from "./task-reading.ts";
import { completeTask, failTask, progressTask, startTask } from "./task-transitions.ts";
import { assignTask } from "./tasks.ts";
import { maintain, sweep } from "./upkeep.ts";
import { purgeMailbox, withdrawMessage } from "./withdraw-messages.ts";

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
    ...agentVerbs(connection),
    ...messageVerbs(connection),
    ...channelVerbs(channelEngine(connection)),
    ...taskVerbs(connection),
    ...deadLetterVerbs(deadLetterEngine(connection)),
    ...messageTypeVerbs(messageTypeEngine(connection)),
    ...auditVerbs(auditEngine(connection)),
    ...credentialVerbs(credentialEngine(connection)),
    ...encryptionVerbs(connection),
    ...statisticsVerbs(connection),
    sweep: () => sweep(connection),
    maintain: () => maintain(connection),
    now: () => connection.now(),
    onDeliverable: (listener) => connection.onDeliverable(listener),
    close: () => connection.close(),
  };
}

function agentVerbs(connection: Connection) {
  return {
    registerAgent: (agent, authority) => registerAgent(connection, agent, authority),
    getAgent: (agentId) => getAgent(connection, agentId),
    listAgents: (query) => listAgents(connection, query),
    deregisterAgent: (agentId) => deregisterAgent(connection, agentId),
    heartbeat: (beat) => heartbeat(connection, beat),
  } satisfies Partial<Store>;
}

function messageVerbs(connection: Connection) {
  return {
    sendMessages: (messages) => sendMessages(connection, messages),
    getMessage: (messageId) => getMessage(connection, messageId),
    relationToMessage: (agentId, messageId) => relationToMessage(connection, agentId, messageId),
    peekMessages: (agentId, page) => peekMessages(connection, agentId, page),
    broadcastMessage: (post) => broadcastMessage(connection, post),
    findDeliverable: (agentIds) => findDeliverable(connection, agentIds),
    claimMessages: (claim) => claimMessages(connection, claim),
    settleMessages: (agentId, settlements) => settleMessages(connection, agentId, settlements),
    renewLease: (renewal) => renewLease(connection, renewal),
    giveBackMessages: (giveBack) => giveBackMessages(connection, giveBack),
    withdrawMessage: (messageId) => withdrawMessage(connection, messageId),
    purgeMailbox: (mailbox, selection) => purgeMailbox(connection, mailbox, selection),
  } satisfies Partial<Store>;
}

function encryptionVerbs(connection: Connection) {
  return {
    countOutdated: (keyVersion, max) => countOutdated(connection, keyVersion, max),
    findOutdated: (kind, keyVersion, after) => findOutdated(connection, kind, keyVersion, after),
    replaceOutdated: (kind, keyVersion, replacements) => replaceOutdated(connection, kind, keyVersion, replacements),
  } satisfies Partial<Store>;
}

function statisticsVerbs(connection: Connection) {
  return {
    queueStatistics: () => queueStatistics(connection),
    registryStatistics: () => registryStatistics(connection),
    coordinationStatistics: () => coordinationStatistics(connection),
    checkHealth: () => checkHealth(connection),
  } satisfies Partial<Store>;
}

function taskVerbs(connection: Connection) {
  return {
    assignTask: (task) => assignTask(connection, task),
    previewAssignment: (task) => previewAssignment(connection, task),
    getTask: (taskId) => getTask(connection, taskId),
    listTasks: (query) => listTasks(connection, query),
    isSensitiveTask: (taskId) => isSensitiveTask(connection, taskId),
    relationToTask: (agentId, taskId) => relationToTask(connection, agentId, taskId),
    getAssignments: (taskId, page) => getAssignments(connection, taskId, page),
    getTaskHistory: (taskId, page) => getTaskHistory(connection, taskId, page),
    startTask: (taskId, start) => startTask(connection, taskId, start),
    progressTask: (taskId, progress) => progressTask(connection, taskId, progress),
    completeTask: (taskId, completion) => completeTask(connection, taskId, completion),
    failTask: (taskId, failure) => failTask(connection, taskId, failure),
    cancelTask: (taskId, reason) => cancelTask(connection, taskId, reason),
  } satisfies Partial<Store>;
}
