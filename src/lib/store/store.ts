import type { Agent, AgentRole, AgentStatus, HeartbeatReply, ListAgentsQuery, RegisterAgent } from "../agents/agent.ts";
import type {
  DeadLetterFilter,
  LeasedMessage,
  Message,
  MessageTypeDefinition,
  SendMessage,
  SendMessageReply,
  SettlementOutcome,
  SettleReply,
} from "../messages/message.ts";
import type {
  AuditBlock,
  AuditBlockContents,
  AuditEntry,
  ListAuditBlocksQuery,
  ListAuditQuery,
  NewAuditEntry,
} from "../security/audit.ts";
import type { Credential, IssueCredential, ListCredentialsQuery } from "../security/credential.ts";
import type {
  CoordinationStatistics,
  Health,
  MaintenanceReport,
  QueueStatistics,
  RegistryStatistics,
  SweepReport,
} from "../statistics/statistics.ts";
import type {
  Assignment,
  AssignTask,
  AssignTaskReply,
  CompleteTask,
  Explanation,
  FailTask,
  ListTasksQuery,
  ProgressTask,
  StartTask,
  Task,
  TaskEvent,
  TaskReply,
} from "../tasks/task.ts";

/**
 * The only seam between the rules and an engine. Every verb is one transition: it happens wholly, in one transaction
 * with all that follows from it, or not at all. Inputs are parsed already; refusals are AgentCommunicationError.
 * Every verb is safe to repeat. The store tells the time.
 */
export interface Store {
  // agents ----------------------------------------------------------------------------------------------------------
  /**
   * Creates, or updates and reactivates. Hands waiting work to a worker that has room. Without an authority anything may be
   * registered. @returns whether it was new @throws as the authority has it: AGENT_NOT_FOUND, FORBIDDEN, ID_TAKEN,
   * IDEMPOTENCY_MISMATCH, UNAUTHENTICATED
   */
  registerAgent(agent: RegisterAgent, authority?: RegistrationAuthority): Promise<{ agent: Agent; created: boolean }>;
  /** @throws AGENT_NOT_FOUND */
  getAgent(agentId: string): Promise<Agent>;
  /** By id. `cursor` is the last agent id of the page before. */
  listAgents(query: Page & Pick<ListAgentsQuery, "role" | "capability" | "status">): Promise<Paged<Agent>>;
  /** Releases its tasks without using a retry. Repeating it changes nothing. @throws AGENT_NOT_FOUND */
  deregisterAgent(agentId: string): Promise<Agent>;
  /** @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
  heartbeat(beat: Heartbeat): Promise<Omit<HeartbeatReply, "heartbeatIntervalSeconds">>;

  // messages --------------------------------------------------------------------------------------------------------
  /**
   * Accepts all or none, in order. @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED (sender or receiver), MAILBOX_FULL,
   * ID_TAKEN (id of another sender), IDEMPOTENCY_MISMATCH
   */
  sendMessages(messages: readonly NewMessage[]): Promise<SendMessageReply[]>;
  /** @throws MESSAGE_NOT_FOUND */
  getMessage(messageId: string): Promise<Message>;
  /** Waiting messages of a mailbox (queued, due or not) in delivery order: by rank, then arrival. @throws AGENT_NOT_FOUND */
  peekMessages(agentId: string, page: Page): Promise<Paged<Message>>;
  /** Leases due messages by rank, then arrival. @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
  claimMessages(claim: Claim): Promise<Claimed>;
  /**
   * Which of these mailboxes are worth a claim now: something is due there or a lease has ended; agents that are unknown or
   * deregistered as well, because a claim says so. Writes nothing, and is no heartbeat.
   */
  findDeliverable(agentIds: readonly string[]): Promise<string[]>;
  /** Settles one by one, in order; one's refusal does not touch the others. @throws AGENT_NOT_FOUND, AGENT_DEREGISTERED */
  settleMessages(agentId: string, settlements: readonly NewSettlement[]): Promise<SettleResult[]>;
  /** Moves the end of a lease to now + `leaseMilliseconds`. @throws MESSAGE_NOT_FOUND, LEASE_LOST, AGENT_NOT_FOUND, AGENT_DEREGISTERED */
  renewLease(renewal: Renewal): Promise<SettleReply>;
  /** Newest first by the time of dead-lettering. */
  listDeadLetters(query: Page & Omit<DeadLetterFilter, "before">): Promise<Paged<Message>>;
  /** Queues dead letters again (new arrival number, `maxAttempts` more attempts), oldest first. @returns how many */
  redriveDeadLetters(selection: DeadLetterSelection): Promise<number>;
  /** Deletes dead letters, oldest first. @returns how many */
  purgeDeadLetters(selection: DeadLetterSelection): Promise<number>;
  /** Creates or replaces. @returns whether it was new */
  putMessageType(
    type: string,
    schema: MessageTypeDefinition["schema"],
  ): Promise<{ definition: MessageTypeDefinition; created: boolean }>;
  /** undefined when not registered. May be cached up to 5 s by a store that others write to. */
  findMessageType(type: string): Promise<MessageTypeDefinition | undefined>;
  /** By type name. */
  listMessageTypes(page: Page): Promise<Paged<MessageTypeDefinition>>;
  /** @returns whether it was registered */
  deleteMessageType(type: string): Promise<boolean>;

  // tasks -----------------------------------------------------------------------------------------------------------
  /**
   * Creates the task and assigns it, or lets it wait. @throws AGENT_NOT_FOUND (supervisor, assignTo), AGENT_DEREGISTERED,
   * FORBIDDEN (not a supervisor or admin), DEPENDENCY_INVALID, ID_TAKEN, IDEMPOTENCY_MISMATCH
   */
  assignTask(task: NewTask): Promise<AssignTaskReply & { duplicate: boolean }>;
  /** What assignTask would weigh and choose now; writes nothing. Same refusals. */
  previewAssignment(task: NewTask): Promise<Explanation>;
  /** Reads the archive as well. @throws TASK_NOT_FOUND */
  getTask(taskId: string): Promise<Task>;
  /** Newest first; archived tasks are not listed. */
  listTasks(query: Page & Omit<ListTasksQuery, "limit" | "cursor">): Promise<Paged<Task>>;
  /** Every attempt, oldest first. @throws TASK_NOT_FOUND */
  getAssignments(taskId: string): Promise<Assignment[]>;
  /** Newest first. @throws TASK_NOT_FOUND */
  getTaskHistory(taskId: string, page: Page): Promise<Paged<TaskEvent>>;
  /** assigned → running. @throws TASK_NOT_FOUND, LEASE_LOST, AGENT_NOT_FOUND, AGENT_DEREGISTERED */
  startTask(taskId: string, start: StartTask): Promise<TaskReply>;
  /** As startTask; records percent and note, and may move the deadline. */
  progressTask(taskId: string, progress: ProgressTask): Promise<TaskReply>;
  /** assigned or running → completed, with its result message, dependents and counters. */
  completeTask(taskId: string, completion: CompleteTask): Promise<TaskReply>;
  /** → pending with backoff, or failed past maxRetries or when not retryable. */
  failTask(taskId: string, failure: FailTask): Promise<TaskReply>;
  /** @throws TASK_NOT_FOUND, TASK_ENDED */
  cancelTask(taskId: string, reason: string | undefined): Promise<TaskReply>;

  // credentials -----------------------------------------------------------------------------------------------------
  /**
   * The credential of an id, of a principal or of a certificate; of bindings only the one in force. Revoked and expired ones
   * are returned: the caller decides, by `now`.
   */
  findCredential(lookup: CredentialLookup): Promise<FoundCredential | undefined>;
  /** @throws AGENT_NOT_FOUND, ID_TAKEN (the principal or certificate is bound already) */
  issueCredential(credential: NewCredential): Promise<Credential>;
  /** Newest first. */
  listCredentials(query: Page & Pick<ListCredentialsQuery, "agentId" | "kind">): Promise<Paged<Credential>>;
  /** For good. Repeating it changes nothing. @throws NOT_FOUND */
  revokeCredential(credentialId: string): Promise<Credential>;
  /**
   * Notes that they were used, each at most once in CREDENTIAL_USE_MILLISECONDS. @returns which of them are there and not
   * revoked: one that is used for the first time counts only then, for it may have been replaced since it was found
   */
  recordCredentialUse(credentialIds: readonly string[]): Promise<string[]>;

  // audit -----------------------------------------------------------------------------------------------------------
  /** Newest first. A page may hold fewer entries than asked for, or none, and not be the last. */
  listAudit(query: ListAuditQuery): Promise<Paged<AuditEntry>>;
  /** Adds entries about what is not in the store itself; everything else adds its own. */
  recordAudit(entries: readonly NewAuditEntry[]): Promise<void>;
  /** Oldest first. */
  listAuditBlocks(query: ListAuditBlocksQuery): Promise<Paged<AuditBlock>>;
  /** With its entries as they are now. @throws NOT_FOUND */
  getAuditBlock(blockNo: number): Promise<AuditBlockContents>;
  /** undefined while nothing has been sealed. */
  newestAuditBlock(): Promise<AuditBlock | undefined>;

  // statistics ------------------------------------------------------------------------------------------------------
  queueStatistics(): Promise<QueueStatistics>;
  registryStatistics(): Promise<RegistryStatistics>;
  coordinationStatistics(): Promise<CoordinationStatistics>;
  /** Never throws: what does not answer reads false. */
  checkHealth(): Promise<Health["checks"]>;

  // upkeep ----------------------------------------------------------------------------------------------------------
  /** Heartbeats, ended leases, TTLs, deadlines, backoffs, waiting tasks. Bounded transactions; goes on until done. */
  sweep(): Promise<SweepReport>;
  /** The daily upkeep, within its budget, resumable, harmless when two run at once. */
  maintain(): Promise<MaintenanceReport>;

  // process ---------------------------------------------------------------------------------------------------------
  /** The time as the store tells it, in milliseconds since the epoch. */
  now(): number;
  /** Calls `listener` after each commit of this process that made a message of that agent deliverable. @returns stop */
  onDeliverable(listener: (agentId: string) => void): () => void;
  /** Finishes what is under way and releases the file or the pool. Later calls are STORE_UNAVAILABLE. */
  close(): Promise<void>;
}

/** What both engines need to know beside how to connect. */
export interface StoreSettings {
  heartbeatIntervalSeconds: number;
  heartbeatTimeoutSeconds: number;
  defaultTimeoutSeconds: number;
  maxRetries: number;
  maxMailbox: number;
  messageRetentionDays: number;
  deadLetterRetentionDays: number;
  inactiveRetentionDays: number;
  taskRetentionDays: number;
  auditRetentionDays: number;
  /** Whether sending, receiving and settling have entries in the audit, too. */
  auditMessages: boolean;
}

/** `cursor` is what the store itself gave as nextCursor; anything else is INVALID_REQUEST. */
export interface Page {
  limit: number;
  cursor?: string | undefined;
}

export interface Paged<Item> {
  items: Item[];
  nextCursor: string | null;
}

export interface Heartbeat {
  agentId: string;
  status?: Extract<AgentStatus, "active" | "draining"> | undefined;
  maxConcurrentTasks?: number | undefined;
}

/** Under whose authority an agent registers, when it is not that of an admin. */
export type RegistrationAuthority =
  /** The agent's own credential: it is there already, and keeps its role. */
  | { kind: "own" }
  /** A principal that is bound to the id: creates it with one of its roles, or updates it, keeping its role. */
  | { kind: "applicant"; roles: readonly AgentRole[] }
  | EnrolmentAuthority;

/**
 * An enrolment key: creates new ids only, takes one of its uses, and issues a token in the same transaction. Until that token
 * is first used, a repeat with the same `idempotencyKey` replaces it instead.
 */
export interface EnrolmentAuthority {
  kind: "enrolment";
  /** Of the enrolment key. */
  credentialId: string;
  token: { credentialId: string; secretHash: string };
  /** Hashed, with its scope. */
  idempotencyKey?: string | undefined;
}

/** How a credential is looked for. Of a certificate the binding of its thumbprint comes before that of its subject. */
export type CredentialLookup =
  | { credentialId: string }
  | { objectId: string }
  | { thumbprint: string; subject: string };

/** Everything that checking a credential needs. */
export interface FoundCredential {
  credential: Credential;
  /** Of tokens and enrolment keys. */
  secretHash: string | undefined;
  /** Of tokens and certificates: whose it is. */
  agent: { agentId: string; role: AgentRole; status: AgentStatus } | undefined;
}

type WithoutTerm<Issue> = Issue extends unknown ? Omit<Issue, "expiresInSeconds"> : never;

/** What is issued, under an id that was made before the first try. */
export type NewCredential = WithoutTerm<IssueCredential> & {
  credentialId: string;
  /** Of tokens and enrolment keys. */
  secretHash?: string | undefined;
  /** Absent: it does not expire. */
  expiresInMilliseconds?: number | undefined;
};

/** How a repeat is recognised: by the id the caller gave, or by its Idempotency-Key. */
export interface Idempotency {
  /** SHA-256 (base64url) of the parsed request with sorted keys, the id left out. */
  requestHash: string;
  /** Caller, route and Idempotency-Key (and index in a batch) as one text; absent when the caller gave an id or nothing. */
  idempotencyKey?: string | undefined;
}

export type NewMessage = Omit<SendMessage, "messageId"> & { messageId: string } & Idempotency;

export type NewTask = Omit<AssignTask, "taskId" | "timeoutSeconds" | "maxRetries"> & {
  taskId: string;
  timeoutSeconds: number;
  maxRetries: number;
} & Idempotency;

export interface Claim {
  agentId: string;
  maxMessages: number;
  leaseMilliseconds: number;
  types?: readonly string[] | undefined;
  maxBytes: number;
  claimId?: string | undefined;
}

export interface Claimed {
  messages: LeasedMessage[];
  /** True when the call stopped at its bound of expired or ended rows: call again, there may be more. */
  unfinished: boolean;
}

export interface NewSettlement {
  messageId: string;
  attempt: number;
  outcome: SettlementOutcome;
  /** For retry; absent: the task backoff of that attempt. */
  delayMilliseconds?: number | undefined;
  reason?: string | undefined;
}

export type SettleResult =
  | { messageId: string; status: "completed" | "queued" | "dead_lettered" }
  | { messageId: string; status: "lease_lost" | "not_found" };

export interface Renewal {
  agentId: string;
  messageId: string;
  attempt: number;
  leaseMilliseconds: number;
}

/** Exactly one of ids and filter; at most DEAD_LETTER_BATCH_MAX rows are touched. */
export interface DeadLetterSelection {
  messageIds?: readonly string[] | undefined;
  filter?: DeadLetterFilter | undefined;
  dryRun: boolean;
}
