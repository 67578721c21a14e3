import type { Clock } from "../../model/clock.ts";
import type { FaultListener } from "../../trace/store-faults.ts";
import { auditVerbs } from "../audit-verbs.ts";
import { channelVerbs } from "../channel-verbs.ts";
import { credentialVerbs } from "../credential-verbs.ts";
import { deadLetterVerbs } from "../dead-letter-verbs.ts";
import { messageTypeVerbs } from "../message-type-verbs.ts";
import type { Store, StoreSettings } from "../store.ts";
import { deregisterAgent, getAgent, heartbeat, listAgents, registerAgent } from "./agents.ts";
import { previewAssignment } from "./assignment.ts";
import { auditEngine } from "./audit.ts";
import { broadcastMessage } from "./broadcast-message.ts";
import { cancelTask } from "./cancel-task.ts";
import { channelEngine } from "./channels.ts";
import { claimMessages } from "./claim-messages.ts";
import { Connection } from "./connection.ts";
import { credentialEngine } from "./credentials.ts";
import { deadLetterEngine } from "./dead-letters.ts";
import { giveBackMessages } from "./give-back.ts";
import { messageTypeEngine } from "./message-types.ts";
import { findDeliverable, getMessage, peekMessages, relationToMessage } from "./messages.ts";
import { countOutdated, findOutdated, replaceOutdated } from "./outdated.ts";
import { renewLease } from "./renew-lease.ts";
import { sendMessages } from "./send-messages.ts";
import { settleMessages } from "./settle-messages.ts";
import { checkHealth, coordinationStatistics, queueStatistics, registryStatistics } from "./statistics.ts";
import { getAssignments, getTask, getTaskHistory, isSensitiveTask, listTasks, relationToTask } from "./task-reading.ts";
import { completeTask, failTask, progressTask, startTask } from "./task-transitions.ts";
import { assignTask } from "./tasks.ts";
import { maintain, sweep } from "./upkeep.ts";
import { purgeMailbox, withdrawMessage } from "./withdraw-messages.ts";

/** How to open the embedded store. */
export interface SqliteStoreOptions {
  /** Path of the database file, made with its folder when missing. */
  file: string;
  settings: StoreSettings;
  clock: Clock;
  /** Told once when the file was deleted or replaced while it is open; must not throw. */
  onFault?: FaultListener | undefined;
}

/**
 * The embedded store on Node's own SQLite.
 *
 * @throws whatever SQLite says of a file that it cannot open or that is no database of ours
 * @example
 * const store = openSqliteStore({ file: ".data/agents.db", settings, clock: systemClock });
 */
export function openSqliteStore({ file, settings, clock, onFault }: SqliteStoreOptions): Store {
  const connection = new Connection(file, settings, clock, onFault);
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
    sweep: () => {
      connection.lookAtFiles();
      return sweep(connection);
    },
    maintain: () => maintain(connection, clock),
    now: () => clock.now(),
    onDeliverable: (listener) => connection.onDeliverable(listener),
    close: () => connection.close(),
  };
}

function agentVerbs(connection: Connection) {
  return {
    registerAgent: (agent, authority) => connection.write((tx) => registerAgent(tx, agent, authority)),
    getAgent: (agentId) => connection.read((tx) => getAgent(tx, agentId)),
    listAgents: (query) => connection.read((tx) => listAgents(tx, query)),
    deregisterAgent: (agentId) => deregisterAgent(connection, agentId),
    heartbeat: (beat) => connection.write((tx) => heartbeat(tx, beat)),
  } satisfies Partial<Store>;
}

function messageVerbs(connection: Connection) {
  return {
    sendMessages: (messages) => connection.write((tx) => sendMessages(tx, messages)),
    getMessage: (messageId) => connection.read((tx) => getMessage(tx, messageId)),
    relationToMessage: (agentId, messageId) => connection.read((tx) => relationToMessage(tx, agentId, messageId)),
    peekMessages: (agentId, page) => connection.read((tx) => peekMessages(tx, agentId, page)),
    broadcastMessage: (post) => connection.write((tx) => broadcastMessage(tx, post)),
    findDeliverable: (agentIds) => connection.read((tx) => findDeliverable(tx, agentIds)),
    claimMessages: (claim) => connection.write((tx) => claimMessages(tx, claim)),
    settleMessages: (agentId, settlements) => connection.write((tx) => settleMessages(tx, agentId, settlements)),
    renewLease: (renewal) => connection.write((tx) => renewLease(tx, renewal)),
    giveBackMessages: (giveBack) => connection.write((tx) => giveBackMessages(tx, giveBack)),
    withdrawMessage: (messageId) => connection.write((tx) => withdrawMessage(tx, messageId)),
    purgeMailbox: (mailbox, selection) => connection.write((tx) => purgeMailbox(tx, mailbox, selection)),
  } satisfies Partial<Store>;
}

function encryptionVerbs(connection: Connection) {
  return {
    countOutdated: (keyVersion, max) => connection.read((tx) => countOutdated(tx, keyVersion, max)),
    findOutdated: (kind, keyVersion, after) => connection.read((tx) => findOutdated(tx, kind, keyVersion, after)),
    replaceOutdated: (kind, keyVersion, replacements) =>
      connection.write((tx) => replaceOutdated(tx, kind, keyVersion, replacements)),
  } satisfies Partial<Store>;
}

function statisticsVerbs(connection: Connection) {
  return {
    queueStatistics: () => connection.read(queueStatistics),
    registryStatistics: () => connection.read(registryStatistics),
    coordinationStatistics: () => connection.read(coordinationStatistics),
    checkHealth: () => checkHealth(connection),
  } satisfies Partial<Store>;
}

function taskVerbs(connection: Connection) {
  return {
    assignTask: (task) => connection.write((tx) => assignTask(tx, task)),
    previewAssignment: (task) => connection.read((tx) => previewAssignment(tx, task)),
    getTask: (taskId) => connection.read((tx) => getTask(tx, taskId)),
    listTasks: (query) => connection.read((tx) => listTasks(tx, query)),
    isSensitiveTask: (taskId) => connection.read((tx) => isSensitiveTask(tx, taskId)),
    relationToTask: (agentId, taskId) => connection.read((tx) => relationToTask(tx, agentId, taskId)),
    getAssignments: (taskId, page) => connection.read((tx) => getAssignments(tx, taskId, page)),
    getTaskHistory: (taskId, page) => connection.read((tx) => getTaskHistory(tx, taskId, page)),
    startTask: (taskId, start) => connection.write((tx) => startTask(tx, taskId, start)),
    progressTask: (taskId, progress) => connection.write((tx) => progressTask(tx, taskId, progress)),
    completeTask: (taskId, completion) => connection.write((tx) => completeTask(tx, taskId, completion)),
    failTask: (taskId, failure) => connection.write((tx) => failTask(tx, taskId, failure)),
    cancelTask: (taskId, reason) => connection.write((tx) => cancelTask(tx, taskId, reason)),
  } satisfies Partial<Store>;
}
