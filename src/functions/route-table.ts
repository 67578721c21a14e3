import type { Route } from "../lib/http/route.ts";
import { getOwnToken, renewToken } from "./agent-tokens.ts";
import { deregisterAgent, getAgent, heartbeat, listAgents, listDirectory, registerAgent } from "./agents.ts";
import { getAuditBlock, getAuditDigest, listAudit, listAuditBlocks } from "./audit.ts";
import { peekChannel, purgeChannel, receiveFromChannel } from "./channel-mailboxes.ts";
import {
  addChannelMember,
  createChannel,
  deleteChannel,
  getChannel,
  listChannelMembers,
  listChannels,
  putChannelGrant,
  removeChannelMember,
} from "./channels.ts";
import { issueCredential, listCredentials, revokeCredential } from "./credentials.ts";
import { listDeadLetters, purgeDeadLetters, redriveDeadLetters } from "./dead-letters.ts";
import { health, healthLive } from "./health.ts";
import { rotateKeys } from "./keys.ts";
import { peekMessages, purgeMailbox, receiveMessages } from "./mailboxes.ts";
import { runMaintenance } from "./maintenance.ts";
import { deleteMessageType, getMessageType, listMessageTypes, putMessageType } from "./message-types.ts";
import {
  completeMessage,
  deadLetterMessage,
  getMessage,
  renewMessageLease,
  retryMessage,
  sendBatch,
  sendMessage,
  settleMessages,
  withdrawMessage,
} from "./messages.ts";
import { openApi } from "./openapi.ts";
import { answerTask, listQuestions } from "./questions.ts";
import { deleteSchedule, getSchedule, listSchedules, putSchedule, triggerSchedule } from "./schedules.ts";
import { coordinationStatistics, metrics, queueStatistics, registryStatistics } from "./statistics.ts";
import { completeTask, failTask, progressTask, startTask, suspendTask } from "./task-progress.ts";
import {
  assignTask,
  cancelTask,
  getTask,
  getTaskAssignments,
  getTaskDependencies,
  getTaskHistory,
  listTasks,
  previewTask,
  retryTask,
} from "./tasks.ts";
import { getUsage, reportUsage } from "./usage.ts";
import { cancelWorkflow, createWorkflow, getWorkflow, listWorkflows, retryWorkflow } from "./workflows.ts";

/** Every route, once. Both hosts and the OpenAPI document are made from it. */
export const routes = [
  registerAgent,
  listAgents,
  listDirectory,
  getAgent,
  deregisterAgent,
  heartbeat,
  getOwnToken,
  renewToken,
  issueCredential,
  listCredentials,
  revokeCredential,
  receiveMessages,
  peekMessages,
  purgeMailbox,
  sendMessage,
  sendBatch,
  settleMessages,
  getMessage,
  withdrawMessage,
  completeMessage,
  retryMessage,
  deadLetterMessage,
  renewMessageLease,
  createChannel,
  listChannels,
  getChannel,
  deleteChannel,
  listChannelMembers,
  addChannelMember,
  removeChannelMember,
  putChannelGrant,
  receiveFromChannel,
  peekChannel,
  purgeChannel,
  listDeadLetters,
  redriveDeadLetters,
  purgeDeadLetters,
  putMessageType,
  listMessageTypes,
  getMessageType,
  deleteMessageType,
  assignTask,
  previewTask,
  listTasks,
  getTask,
  getTaskAssignments,
  getTaskHistory,
  getTaskDependencies,
  startTask,
  progressTask,
  completeTask,
  failTask,
  suspendTask,
  answerTask,
  cancelTask,
  retryTask,
  listQuestions,
  createWorkflow,
  listWorkflows,
  getWorkflow,
  cancelWorkflow,
  retryWorkflow,
  putSchedule,
  listSchedules,
  getSchedule,
  deleteSchedule,
  triggerSchedule,
  reportUsage,
  getUsage,
  queueStatistics,
  registryStatistics,
  coordinationStatistics,
  metrics,
  health,
  healthLive,
  listAudit,
  listAuditBlocks,
  getAuditBlock,
  getAuditDigest,
  runMaintenance,
  rotateKeys,
  openApi,
] as const satisfies readonly Route[];
