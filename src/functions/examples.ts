import type { Agent } from "../lib/model/agent.ts";
import type { AuditBlock, AuditEntry } from "../lib/model/audit.ts";
import type { Channel, ChannelDetails } from "../lib/model/channel.ts";
import type { Credential } from "../lib/model/credential.ts";
import type { Explanation } from "../lib/model/explanation.ts";
import type { LeasedMessage, Message, MessageTypeDefinition, SendMessageInput } from "../lib/model/message.ts";
import type { OpenQuestion } from "../lib/model/question.ts";
import type { CoordinationStatistics, QueueStatistics, RegistryStatistics } from "../lib/model/statistics.ts";
import type { AssignTaskInput, Task } from "../lib/model/task.ts";
import type { PairUsage } from "../lib/model/usage.ts";
import type { CreateWorkflowInput, Workflow, WorkflowSummary } from "../lib/model/workflow.ts";

/** What the examples of the routes have in common: one supervisor, `lead`, one worker, `backend-1`, a question and a build. */

export const AGENT = {
  agentId: "backend-1",
  role: "worker",
  capabilities: ["database", "python@3.12"],
  maxConcurrentTasks: 3,
  status: "active",
  activeTasks: 1,
  registeredAt: "2026-03-01T08:00:00.000Z",
  lastHeartbeatAt: "2026-03-01T09:00:00.000Z",
  performance: {
    completed: 19,
    failed: 1,
    lost: 0,
    released: 0,
    successRate: 0.95,
    meanDurationSeconds: 42.5,
    p95DurationSeconds: 118,
  },
} satisfies Agent;

export const TOKEN = {
  kind: "token",
  credentialId: "01890a5d-ac96-774b-bcce-b302099a8057",
  label: "rack-7",
  createdAt: "2026-03-01T08:00:00.000Z",
  createdBy: "admin",
  expiresAt: "2026-05-30T08:00:00.000Z",
  agentId: "backend-1",
} satisfies Credential;

export const SENT_MESSAGE = {
  sender: "lead",
  receiver: "backend-1",
  type: "query",
  priority: "high",
  payload: { question: "ready?" },
} satisfies SendMessageInput;

export const MESSAGE = {
  messageId: "01956f2a-3b00-7c11-9d4e-5f60718293a4",
  sender: "lead",
  senderRole: "supervisor",
  senderCredential: "token",
  receiver: "backend-1",
  type: "query",
  priority: "high",
  payload: { question: "ready?" },
  status: "queued",
  attempt: 0,
  maxAttempts: 5,
  acceptedAt: "2026-03-01T09:00:00.000Z",
  availableAt: "2026-03-01T09:00:00.000Z",
} satisfies Message;

export const LEASED_MESSAGE = {
  ...MESSAGE,
  status: "leased",
  attempt: 1,
  leaseExpiresAt: "2026-03-01T09:01:00.000Z",
} satisfies LeasedMessage;

export const CHANNEL = {
  name: "builds",
  kind: "work_queue",
  createdBy: "lead",
  createdAt: "2026-03-01T08:30:00.000Z",
  memberCount: 1,
} satisfies Channel;

export const CHANNEL_DETAILS = {
  ...CHANNEL,
  grants: [
    { role: "supervisor", post: true, read: false, manage: false },
    { agentId: "lead", post: true, read: true, manage: true },
  ],
} satisfies ChannelDetails;

export const MESSAGE_TYPE = {
  type: "build.request",
  schema: { type: "object", properties: { commit: { type: "string" } }, required: ["commit"] },
  updatedAt: "2026-03-01T08:30:00.000Z",
} satisfies MessageTypeDefinition;

export const ASSIGNED_TASK = {
  taskId: "build-1",
  supervisor: "lead",
  taskType: "build",
  description: "Build the API",
  requiredCapabilities: ["python"],
  priority: "high",
} satisfies AssignTaskInput;

export const TASK = {
  taskId: "build-1",
  supervisor: "lead",
  taskType: "build",
  description: "Build the API",
  parameters: null,
  requiredCapabilities: ["python"],
  preferredCapabilities: [],
  priority: "high",
  timeoutSeconds: 3_600,
  maxRetries: 3,
  retriesUsed: 0,
  dependsOn: [],
  status: "assigned",
  version: 1,
  assignedTo: "backend-1",
  attempt: 1,
  cancelRequested: false,
  createdAt: "2026-03-01T09:00:00.000Z",
  availableAt: "2026-03-01T09:00:00.000Z",
  assignedAt: "2026-03-01T09:00:00.000Z",
  deadline: "2026-03-01T10:00:00.000Z",
} satisfies Task;

export const EXPLANATION = {
  policy: "lowest load; most preferred capabilities; highest reliability; least recently assigned; id",
  chosen: "backend-1",
  considered: [
    {
      agentId: "backend-1",
      activeTasks: 0,
      maxConcurrentTasks: 3,
      load: 0,
      preferredCapabilities: 0,
      reliability: 0.95,
      endedLastAttempt: false,
    },
  ],
  excluded: { missingCapability: 2, notActive: 0, noFreeSlot: 1, beyondLimit: 0, notNamed: 0 },
} satisfies Explanation;

export const QUEUE_STATISTICS = {
  totalMessages: 214,
  messagesPerMinute: 12,
  byStatus: { queued: 2, leased: 1, completed: 210, dead_lettered: 1, expired: 0 },
  oldestAgeSeconds: 0.8,
  deadLetters: 1,
} satisfies QueueStatistics;

export const REGISTRY_STATISTICS = {
  totalAgents: 4,
  activeAgents: 4,
  averageLoad: 0.25,
  byRole: { supervisor: 1, worker: 3, observer: 0, admin: 0 },
} satisfies RegistryStatistics;

/** What was used of one model. */
export const PAIR_USAGE = {
  provider: "openai",
  model: "gpt-5",
  inputTokens: 12_033,
  outputTokens: 440,
  cacheReadInputTokens: 11_904,
  cacheWriteInputTokens: 0,
  reasoningOutputTokens: 0,
  costMicros: 0,
} satisfies PairUsage;

export const COORDINATION_STATISTICS = {
  activeAgents: 4,
  metrics: {
    tasksAssigned: 21,
    tasksCompleted: 19,
    tasksFailed: 1,
    tasksNotNeeded: 0,
    attemptsFailed: 3,
    attemptsLost: 1,
    usage: {
      inputTokens: 1_250_000,
      outputTokens: 98_000,
      cacheReadInputTokens: 700_000,
      cacheWriteInputTokens: 40_000,
      reasoningOutputTokens: 31_000,
      costMicros: 4_310_000,
    },
  },
  byStatus: {
    blocked: 0,
    pending: 0,
    assigned: 1,
    running: 0,
    input_required: 0,
    completed: 19,
    failed: 1,
    cancelled: 0,
  },
} satisfies CoordinationStatistics;

export const AUDIT_ENTRY = {
  entryNo: 1,
  at: "2026-03-01T08:00:00.000Z",
  actor: "admin",
  action: "agent.registered",
  subjectKind: "agent",
  subjectId: "backend-1",
  detail: { role: "worker" },
} satisfies AuditEntry;

export const AUDIT_BLOCK = {
  blockNo: 1,
  firstEntryNo: 1,
  lastEntryNo: 1,
  entryCount: 1,
  newestAt: "2026-03-01T08:00:00.000Z",
  sealedAt: "2026-03-01T08:01:00.000Z",
  floorNo: 1,
  previousHash: "0".repeat(64),
  hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
} satisfies AuditBlock;

export const QUESTION = {
  questionId: "4",
  state: "open",
  taskId: "deploy-1",
  taskType: "deploy",
  supervisor: "lead",
  priority: "normal",
  text: "Deploy version 2.1 to production?",
  options: ["deploy", "wait"],
  askedBy: "backend-1",
  askedAt: "2026-03-01T09:30:00.000Z",
  expiresAt: "2026-03-01T17:30:00.000Z",
  defaultAnswer: "wait",
} satisfies OpenQuestion;

export const CREATED_WORKFLOW = {
  workflowId: "release-7",
  supervisor: "lead",
  tasks: [
    { ref: "build", taskType: "build", taskId: "build-7", requiredCapabilities: ["python"] },
    { ref: "publish", taskType: "publish", taskId: "publish-7", dependsOn: ["build"] },
    { ref: "undo", taskType: "undo", taskId: "undo-7", dependsOn: [{ ref: "publish", when: "failed" }] },
  ],
} satisfies CreateWorkflowInput;

export const WORKFLOW_SUMMARY = {
  workflowId: "release-7",
  supervisor: "lead",
  status: "running",
  version: 1,
  counts: {
    blocked: 2,
    pending: 0,
    assigned: 1,
    running: 0,
    input_required: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
    notNeeded: 0,
    stopped: 0,
  },
  onFailure: "stop",
  notify: "end",
  createdAt: "2026-03-01T09:00:00.000Z",
} satisfies WorkflowSummary;

export const WORKFLOW = {
  ...WORKFLOW_SUMMARY,
  tasks: [
    {
      ref: "build",
      taskId: "build-7",
      taskType: "build",
      status: "assigned",
      dependsOn: [],
      assignedTo: "backend-1",
      attempt: 1,
    },
    { ref: "publish", taskId: "publish-7", taskType: "publish", status: "blocked", dependsOn: ["build-7"], attempt: 0 },
    {
      ref: "undo",
      taskId: "undo-7",
      taskType: "undo",
      status: "blocked",
      dependsOn: [{ taskId: "publish-7", when: "failed" }],
      attempt: 0,
    },
  ],
} satisfies Workflow;
