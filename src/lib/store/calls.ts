import type { AgentRole, AgentStatus, HeartbeatReply } from "../model/agent.ts";
import type { ChannelKind, ChannelRight, CreateChannel } from "../model/channel.ts";
import type { Credential, IssueCredential } from "../model/credential.ts";
import type { DeadLetterFilter, MailboxFilter, SendMessage, SettlementOutcome } from "../model/message.ts";
import type { FiringLog, PutSchedule, ScheduleSummary } from "../model/schedule.ts";
import type { AssignTask } from "../model/task.ts";
import type { Usage, UsageGroup } from "../model/usage.ts";
import type { Priority } from "../model/values.ts";
import type { CreateWorkflow, ListWorkflowsQuery } from "../model/workflow.ts";
import type { Encrypted, Sealed, StoredLeasedMessage } from "./stored-values.ts";

/** What the verbs of the store take and give, beside the vocabulary of agents, messages, tasks and channels. */

/** What both engines need to know beside how to connect. */
export interface StoreSettings {
  heartbeatIntervalSeconds: number;
  heartbeatTimeoutSeconds: number;
  defaultTimeoutSeconds: number;
  maxRetries: number;
  /** How deep children may lie below the task that a supervisor made, and how many it may have of all depths. */
  maxTaskDepth: number;
  maxTasksPerRoot: number;
  maxMailbox: number;
  messageRetentionDays: number;
  deadLetterRetentionDays: number;
  inactiveRetentionDays: number;
  taskRetentionDays: number;
  auditRetentionDays: number;
  /** Whether sending, receiving and settling have entries in the audit, too. */
  auditMessages: boolean;
}

/** How far a task has got: its version is raised by every change of it but a note. */
export interface TaskVersion {
  taskId: string;
  version: number;
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

/** What a heartbeat is answered, but for the interval, which follows from the agent's own timeout; null: it has none. */
export type HeartbeatAnswer = Omit<HeartbeatReply, "heartbeatIntervalSeconds"> & {
  heartbeatTimeoutSeconds: number | null;
};

/** Under whose authority an agent registers, when it is not that of an admin. */
export type RegistrationAuthority =
  /** The agent's own credential: it is there already, and keeps its role. */
  | { kind: "own" }
  /** A principal that is bound to the id: creates it with one of its roles, or updates it, keeping its role. */
  | { kind: "applicant"; roles: readonly AgentRole[] }
  | FirstAdminAuthority
  | EnrolmentAuthority;

/**
 * Access to the database itself: makes the first admin and its token in one transaction, so that of several at once one does it.
 * Refused while an admin has a valid credential, unless `again`. An admin that is there is updated as asked.
 */
export interface FirstAdminAuthority {
  kind: "first_admin";
  token: {
    credentialId: string;
    secretHash: string;
    label?: string | undefined;
    expiresInMilliseconds?: number | undefined;
  };
  again: boolean;
}

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

/** A token in place of another one of the same agent, with the same label, bounds and length of life. */
export interface TokenRenewal {
  /** Of the token that is renewed. */
  credentialId: string;
  token: { credentialId: string; secretHash: string };
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

type WithoutTerm<Issue> = Issue extends unknown
  ? Omit<Issue, "expiresInSeconds" | "idleDays"> & { idleDays?: number | undefined }
  : never;

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

/** The trace that a message or task belongs to, as W3C Trace Context writes it; absent outside of a trace. */
export interface Traced {
  traceparent?: string | undefined;
}

/** `keyVersion` is of the payload. */
export type NewMessage = Omit<SendMessage, "messageId" | "sensitive"> & { messageId: string } & Idempotency &
  Encrypted &
  Traced;

/** A question as it is asked. */
export interface NewQuestion {
  /** Text, schema and options. */
  content: Sealed;
  /** Of a gate it is encrypted as a result. */
  defaultAnswer?: Sealed | undefined;
  /** Whether the default fails the gate. */
  defaultRejects: boolean;
  /** Each once. */
  askedOf: readonly string[];
  timeoutMilliseconds?: number | undefined;
}

/** What ends an attempt until the task is woken. */
export interface Suspension {
  agentId: string;
  attempt: number;
  checkpoint?: Sealed | undefined;
  /** `at`: milliseconds since 1970. `tasks`: what others depend on comes before them. */
  until: { question: NewQuestion } | { at: number } | { tasks: readonly NewChild[] };
  /** A repeat of the same attempt is recognised by it. */
  untilHash: string;
  usage?: Usage | undefined;
}

/** Which hours of usage are summed, and how. Times are milliseconds since 1970, whole hours. */
export type UsageQuery = Page & {
  from: number;
  /** Behind the last hour. */
  to: number;
  by: readonly UsageGroup[];
  supervisor?: string | undefined;
  agentId?: string | undefined;
  taskType?: string | undefined;
  /** Rows of all hours from `from` to `to` that may be read; left out: USAGE_ROWS_MAX. */
  maxRows?: number | undefined;
};

export interface NewAnswer {
  /** Who answers. */
  agentId: string;
  questionId: string;
  /** Of a gate it is encrypted as a result. */
  answer: Sealed;
  /** A repeat is recognised by it. */
  answerHash: string;
  /** Whether it fails a gate. */
  rejects: boolean;
}

/** `keyVersion` is of the parameters. */
export type NewTask = Omit<AssignTask, "taskId" | "timeoutSeconds" | "maxRetries" | "sensitive" | "question"> & {
  taskId: string;
  /** Whether the id was made for this call, so that no task can have it. */
  hasNewId?: boolean;
  timeoutSeconds: number;
  maxRetries: number;
  /** Of a gate. */
  question?: NewQuestion | undefined;
} & Idempotency &
  Encrypted &
  Traced;

/** A child of a task: `dependsOn` names children of the same call by their ids. */
export type NewChild = Omit<NewTask, "supervisor" | "priority" | "parentTaskId" | "assignTo" | "question"> & {
  ref?: string | undefined;
  /** Absent: that of its parent. */
  priority?: Priority | undefined;
  /** Its place in the call. */
  place: number;
};

/** A task of a workflow: `dependsOn` names it by its id. */
export type NewWorkflowTask = NewTask & {
  ref: string;
  /** Whether a failure in the workflow cancels it: it waits for completions alone, and so does what it waits for. */
  stops: boolean;
};

/** A workflow to be made; what others depend on comes before them. */
export type NewWorkflow = Pick<CreateWorkflow, "supervisor" | "onFailure" | "notify"> & {
  workflowId: string;
  tasks: readonly NewWorkflowTask[];
} & Idempotency;

export type ListWorkflows = Page & Pick<ListWorkflowsQuery, "supervisor" | "status">;

/** A schedule as it is put. */
export type NewSchedule = Pick<PutSchedule, "supervisor" | "cron" | "timezone" | "overlap" | "enabled"> & {
  scheduleId: string;
  creates: ScheduleSummary["creates"];
  /** The task or workflow. */
  contents: Sealed;
  /** Milliseconds since 1970; undefined: it is not enabled. */
  dueAt: number | undefined;
};

/** What becomes of a schedule that fires, is passed over or planned anew, if it still has the version. */
export interface ScheduleMove {
  scheduleId: string;
  version: number;
  /** Milliseconds since 1970; undefined: it has none any more. */
  dueAt: number | undefined;
  enabled: boolean;
  refusals: number;
  log: FiringLog;
  /** Whether this disables it, for the audit. */
  disables?: boolean | undefined;
  /** Of a trigger: the id of what it creates, for the audit. */
  triggered?: string | undefined;
}

/** What a firing creates. */
export type Fired = { task: NewTask } | { workflow: NewWorkflow };

/** Schedules that are due, or were planned by a clock that was ahead. */
export interface DueSchedules {
  /** At most 100, behind the place that was asked for. */
  due: { place: number; scheduleId: string }[];
  /** When the next of all comes, in milliseconds since 1970; undefined: no schedule is enabled. */
  nextDueAt: number | undefined;
}

/** A channel to be made. `requestHash`: SHA-256 of the parsed request, so that its repeat is recognised. */
export type NewChannel = CreateChannel & {
  /** Who makes it: an agent's id, or what stands for nobody. */
  creator: string;
  /** False: one that is no registered agent gets no rights, and that is all. */
  creatorMustBeRegistered: boolean;
  requestHash: string;
};

/** Whose view of a channel it is: grants are looked up by the id and by the role. */
export interface ChannelReader {
  agentId: string;
  role?: AgentRole | undefined;
}

/** `read`: by membership, too. */
export type ChannelAccess = { kind: ChannelKind } & Readonly<Record<ChannelRight, boolean>>;

export interface Claim {
  /** Who gets the leases. */
  agentId: string;
  /** The work queue that it claims from; its own mailbox otherwise. */
  channel?: string | undefined;
  maxMessages: number;
  leaseMilliseconds: number;
  types?: readonly string[] | undefined;
  maxBytes: number;
  claimId?: string | undefined;
}

export interface Claimed {
  messages: StoredLeasedMessage[];
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
  /** Of a work queue's message, who must still be allowed to read it, as receiving it did; undefined: nobody. */
  reader?: ChannelReader | undefined;
}

/** Which queued messages of a mailbox; at most DEAD_LETTER_BATCH_MAX of them. */
export interface MailboxSelection {
  filter: MailboxFilter;
  dryRun: boolean;
}

/** Exactly one of ids and filter; at most DEAD_LETTER_BATCH_MAX rows are touched. */
export interface DeadLetterSelection {
  messageIds?: readonly string[] | undefined;
  filter?: DeadLetterFilter | undefined;
  dryRun: boolean;
}
