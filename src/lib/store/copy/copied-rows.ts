import type { StoredCredential } from "../credential-reading.ts";
import type { CopiedWaitingColumns, CopiedWaitingRows } from "./copied-waiting.ts";

/**
 * What is copied from one database to another: rows as they are stored, except that they name agents, tasks, capability
 * sets and demands by id or text instead of by number, for numbers are each database's own. Times are milliseconds since
 * the epoch, flags 0 or 1, JSON is text. (Types, not interfaces: they travel as JSON.)
 */

export type CopiedMessageType = {
  type: string;
  schema: string;
  updated_at: number;
};

export type CopiedAgent = {
  agent_id: string;
  role: string;
  status: string;
  /** Its capability set, sorted, as a JSON array. */
  capabilities: string;
  max_concurrent_tasks: number;
  registered_at: number;
  last_heartbeat_at: number;
  heartbeat_timeout_seconds: number | null;
  status_changed_at: number;
  last_assigned_at: number;
  completed: number;
  failed: number;
  lost: number;
  released: number;
  completed_milliseconds: number;
  p95_milliseconds: number | null;
  metadata: string | null;
  /** 1 for a deregistered agent whose mailbox the sweep has not dead-lettered yet. */
  mailbox_left: number;
};

export type CopiedMember = {
  agent_id: string;
  added_at: number;
};

export type CopiedGrant = {
  /** An agent's id, or `@` and a role. */
  grantee: string;
  may_post: number;
  may_read: number;
  may_manage: number;
};

export type CopiedChannel = {
  name: string;
  kind: string;
  description: string | null;
  created_by: string;
  created_at: number;
  request_hash: string;
  members: number;
  grants: number;
  member_rows: CopiedMember[];
  grant_rows: CopiedGrant[];
};

/** Its JSON is text, as it is stored; whose it is, by id alone. */
export type CopiedCredential = Omit<StoredCredential, "credential_no" | "role" | "status"> & {
  enrolment_request: string | null;
};

export type CopiedAttempt = {
  attempt: number;
  agent_id: string;
  assigned_at: number;
  ended_at: number | null;
  outcome: string | null;
  answer: string | null;
  explanation: string;
};

/** What an attempt, or an hour, has used of one model; an empty name where none was reported. */
export type CopiedUsage = {
  provider: string;
  model: string;
  input_tokens: number;
  output_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  reasoning_tokens: number;
  cost_micros: number;
};

export type CopiedUsageHour = CopiedUsage & {
  hour: number;
  agent_id: string;
  task_type: string;
  supervisor_id: string;
};

export type CopiedDependency = {
  position: number;
  depends_on: string;
  condition: string;
  settled: number;
  /** Of a child: the name that its parent gave it. */
  ref: string | null;
};

export type CopiedTask = CopiedWaitingColumns & {
  task_id: string;
  /** 0: among the tasks, not in the archive. */
  archived: number;
  supervisor_id: string;
  task_type: string;
  priority: number;
  status: string;
  /** 1 at its creation, and one more with every transition. */
  version: number;
  /** The required ones, sorted, as a JSON array. */
  capabilities: string;
  assign_to_id: string | null;
  agent_id: string | null;
  attempt: number;
  last_outcome: string | null;
  retries_used: number;
  max_retries: number;
  timeout_milliseconds: number;
  start_timeout_milliseconds: number | null;
  unmet_dependencies: number;
  /** Tasks that still wait for this one. */
  dependents: number;
  cancel_requested: number;
  percent: number | null;
  created_at: number;
  available_at: number;
  assigned_at: number | null;
  started_at: number | null;
  deadline_at: number | null;
  silent_at: number | null;
  ended_at: number | null;
  parent_task_id: string | null;
  idempotency_key: string | null;
  request_hash: string;
  description: string;
  parameters: string;
  /** Of the parameters: what is encrypted is copied as it is. */
  key_version: string | null;
  traceparent: string | null;
  preferred_capabilities: string;
  /** 1 when it has a note, a result, an error, or a row for them. */
  has_outcome: number;
  note: string | null;
  result: string | null;
  result_key_version: string | null;
  error: string | null;
  because_of: string | null;
  attempts: CopiedAttempt[];
  dependencies: CopiedDependency[];
  usage: (CopiedUsage & { attempt: number })[];
};

export type CopiedEvent = {
  task_id: string;
  /** Its place in the history of the task, from 1. */
  place: number;
  event: string;
  at: number;
  attempt: number;
  agent_id: string | null;
  detail: string | null;
};

export type CopiedEndedDependency = {
  task_id: string;
  completed: number;
  not_needed: number;
};

export type CopiedArchivedTask = {
  task_id: string;
  /** 1 */
  archived: number;
  status: string;
  supervisor_id: string;
  ended_at: number;
  attempt: number;
  idempotency_key: string | null;
  request_hash: string;
  task: string;
  key_version: string | null;
  result_key_version: string | null;
  assignments: string;
  events: string;
};

export type CopiedMessage = {
  message_id: string;
  /** null: written by the switchboard itself. */
  sender_id: string | null;
  receiver_id: string;
  type: string;
  priority: number;
  status: string;
  attempt: number;
  attempt_limit: number;
  max_attempts: number;
  accepted_at: number;
  available_at: number;
  expires_at: number | null;
  lease_expires_at: number | null;
  ended_at: number | null;
  settlement: string | null;
  claim_id: string | null;
  reason: string | null;
  correlation_id: string | null;
  reply_to: string | null;
  ordering_key: string | null;
  /** 0: it joins its ordering key when it becomes due. */
  joined: number;
  idempotency_key: string | null;
  request_hash: string | null;
  sender_role: string | null;
  sender_credential: string | null;
  key_version: string | null;
  traceparent: string | null;
  task_id: string | null;
  task_attempt: number | null;
  channel: string | null;
  post_id: string | null;
  holder: string | null;
  payload: string;
};

/** Every kind of row. */
export interface CopiedRows extends CopiedWaitingRows {
  messageTypes: CopiedMessageType;
  agents: CopiedAgent;
  credentials: CopiedCredential;
  /** Those of deleted channels, too, for as long as messages name them. */
  channelMailboxes: CopiedAgent;
  channels: CopiedChannel;
  tasks: CopiedTask;
  taskEvents: CopiedEvent;
  endedDependencies: CopiedEndedDependency;
  archivedTasks: CopiedArchivedTask;
  usageHours: CopiedUsageHour;
  messages: CopiedMessage;
}

export type CopiedKind = keyof CopiedRows;

/** How much an agent has: open messages in its mailbox, and tasks that it supervises, archived ones left out. */
export type Holdings = {
  agent_id: string;
  messages: number;
  tasks: number;
};

/** The database that is copied. It is held for us alone until it is closed. */
export interface CopySource {
  /** For people: the path of the file. */
  readonly name: string;
  /** What somebody works on at this moment. */
  liveLeases(): { messages: number; tasks: number };
  /** Versions of the keys that something to be copied is encrypted under. */
  keyVersions(): string[];
  /** The rows of each kind, in the order in which they were made. */
  readonly rows: { readonly [Kind in CopiedKind]: () => Iterable<CopiedRows[Kind]> };
  holdings(): Iterable<Holdings>;
  close(): void;
}

/** What the target says of a row that it has already: its columns, and of which of the rows asked for it stands in the way. */
export interface FoundRow {
  /** The id of the row asked for. */
  asked: string;
  [column: string]: unknown;
}

/** How rows of one kind get into the target. */
export interface CopiedTable<Row> {
  /** The rows that the target has under these ids or idempotency keys. */
  find(rows: readonly Row[]): Promise<FoundRow[]>;
  /** Adds those that are not there yet, with everything that counts them, in one transaction. @returns how many */
  add(rows: readonly Row[]): Promise<number>;
}

/** The database that is copied to. */
export interface CopyTarget {
  /** For people: the database and its server. */
  readonly name: string;
  readonly tables: { readonly [Kind in CopiedKind]: CopiedTable<CopiedRows[Kind]> };
  /** Of those of the agents that are there; ended messages count, too: there should be none. */
  holdings(agentIds: readonly string[]): Promise<Holdings[]>;
  close(): Promise<void>;
}
