import type { DatabaseSync } from "node:sqlite";
import { BEFORE_AGENTS } from "../agent-reading.ts";
import type {
  CopiedAttempt,
  CopiedChannel,
  CopiedDependency,
  CopiedEvent,
  CopiedGrant,
  CopiedMember,
  CopiedRows,
  CopiedTask,
  CopySource,
  Holdings,
} from "../copy/copied-rows.ts";
import { USAGE_COLUMNS } from "../rules/usage.ts";
import { copiedWaitingRows, WAITING_COLUMNS, WAITING_JOINS } from "./copied-waiting.ts";

/** How the rows of the embedded database read in a copy: by id, in the order in which they were made. */

const MESSAGE_TYPES = "SELECT type, schema, updated_at FROM message_types ORDER BY type";

const agents = (
  condition: string,
): string => `SELECT a.agent_id, a.role, a.status, s.capabilities, a.max_concurrent_tasks, a.registered_at,
    a.last_heartbeat_at, a.heartbeat_timeout_seconds, a.status_changed_at, a.last_assigned_at, a.completed, a.failed, a.lost, a.released, a.completed_milliseconds,
    a.p95_milliseconds, m.metadata,
    a.status = 'deregistered' AND EXISTS (SELECT 1 FROM mailboxes b WHERE b.agent_no = a.agent_no AND b.depth > 0) AS mailbox_left
  FROM agents a JOIN capability_sets s USING (set_no) LEFT JOIN agent_metadata m USING (agent_no)
  WHERE ${condition} ORDER BY a.agent_no`;
const AGENTS = agents(`a.agent_id > '${BEFORE_AGENTS}'`);
const CHANNEL_MAILBOXES = agents(`a.agent_id < '${BEFORE_AGENTS}'`);

const CHANNELS = `SELECT channel_no, name, kind, description, created_by, created_at, request_hash, members, grants
  FROM channels ORDER BY channel_no`;
const MEMBERS = `SELECT a.agent_id, m.added_at FROM channel_members m JOIN agents a USING (agent_no)
  WHERE m.channel_no = ? ORDER BY m.agent_no`;
const GRANTS =
  "SELECT grantee, may_post, may_read, may_manage FROM channel_grants WHERE channel_no = ? ORDER BY grantee";

const CREDENTIALS = `SELECT c.credential_id, c.kind, a.agent_id, c.secret_hash, c.label, c.created_at, c.created_by, c.expires_at,
    c.revoked_at, c.last_used_at, c.roles, c.agent_id_prefix, c.max_uses, c.uses_left, c.subject, c.thumbprint, c.agent_ids,
    c.enrolled_by, c.enrolment_request, c.capabilities, c.max_concurrent_tasks, c.idle_days, c.token_days, c.renews
  FROM credentials c LEFT JOIN agents a USING (agent_no) ORDER BY c.credential_no`;

/** All that are not in the archive: ended ones past their retention are about to go there, and would be missed. */
const TASKS = `SELECT t.task_no, t.task_id, 0 AS archived, s.agent_id AS supervisor_id, t.task_type, t.priority, t.status,
    t.version, d.capabilities, n.agent_id AS assign_to_id, a.agent_id, t.attempt, t.last_outcome, t.retries_used, t.max_retries, t.timeout_milliseconds, t.start_timeout_milliseconds,
    t.unmet_dependencies, (SELECT count(*) FROM task_dependencies w WHERE w.depends_on = t.task_id AND w.settled = 0) AS dependents,
    t.cancel_requested, t.percent, t.created_at, t.available_at, t.assigned_at, t.started_at, t.deadline_at, t.silent_at, t.ended_at,
    t.parent_task_id, t.idempotency_key, t.request_hash, b.description, b.parameters, b.key_version, b.traceparent,
    b.preferred_capabilities, o.task_no IS NOT NULL AS has_outcome, o.note, o.result, o.key_version AS result_key_version, o.error, o.because_of,
    ${WAITING_COLUMNS}
  FROM tasks t JOIN task_bodies b ON b.task_no = t.task_no JOIN demands d ON d.demand_no = t.demand_no
  JOIN agents s ON s.agent_no = t.supervisor_no LEFT JOIN agents n ON n.agent_no = t.assign_to_no
  LEFT JOIN agents a ON a.agent_no = t.agent_no LEFT JOIN task_outcomes o ON o.task_no = t.task_no
  ${WAITING_JOINS}
  ORDER BY t.task_no`;
const ATTEMPTS = `SELECT x.attempt, a.agent_id, x.assigned_at, x.ended_at, x.outcome, x.answer, e.explanation
  FROM task_attempts x JOIN agents a USING (agent_no) JOIN task_explanations e USING (task_no, attempt) WHERE x.task_no = ? ORDER BY x.attempt`;
const DEPENDENCIES =
  "SELECT position, depends_on, condition, settled, ref FROM task_dependencies WHERE task_no = ? ORDER BY position";
const USAGE = `SELECT attempt, provider, model, ${Object.values(USAGE_COLUMNS).join(", ")} FROM task_usage WHERE task_no = ?
  ORDER BY attempt, provider, model`;
const USAGE_HOURS = `SELECT hour, agent_id, task_type, supervisor_id, provider, model, ${Object.values(USAGE_COLUMNS).join(", ")} FROM usage_hours
  ORDER BY hour, agent_id, task_type, supervisor_id, provider, model`;
const EVENTS = `SELECT t.task_id, e.event, e.at, e.attempt, a.agent_id, e.detail
  FROM task_events e JOIN tasks t ON t.task_no = e.task_no LEFT JOIN agents a ON a.agent_no = e.agent_no
  ORDER BY e.task_no, e.event_no`;
const ENDED_DEPENDENCIES = "SELECT task_id, completed, not_needed FROM ended_dependencies ORDER BY task_id";
const ARCHIVED = `SELECT task_id, 1 AS archived, status, supervisor_id, ended_at, attempt, idempotency_key, request_hash, task,
  key_version, result_key_version, assignments, events FROM task_archive ORDER BY rowid`;

/** Messages that somebody may still receive or redrive; the ended ones stay behind. */
const MESSAGES = `SELECT b.message_id, s.agent_id AS sender_id, r.agent_id AS receiver_id, b.type, m.priority, m.status, m.attempt,
    m.attempt_limit, b.max_attempts, m.accepted_at, m.available_at, m.expires_at, m.lease_expires_at, m.ended_at, m.settlement,
    m.claim_id, m.reason, b.correlation_id, b.reply_to, m.ordering_key, m.joined, b.idempotency_key, b.request_hash, b.sender_role,
    b.sender_credential, b.key_version, b.traceparent, t.task_id,
    b.task_attempt, b.channel, b.post_id, m.holder, b.payload
  FROM messages m JOIN message_bodies b ON b.arrival = m.arrival JOIN agents r ON r.agent_no = m.receiver_no LEFT JOIN agents s ON s.agent_no = m.sender_no
  LEFT JOIN tasks t ON t.task_no = b.task_no
  WHERE m.status IN ('queued', 'leased', 'dead_lettered') ORDER BY m.arrival`;

const HOLDINGS = `SELECT a.agent_id,
    (SELECT count(*) FROM messages m WHERE m.receiver_no = a.agent_no AND m.status IN ('queued', 'leased', 'dead_lettered')) AS messages,
    (SELECT count(*) FROM tasks t WHERE t.supervisor_no = a.agent_no) AS tasks
  FROM agents a ORDER BY a.agent_no`;

/** What each agent has. */
export function holdingsOfAgents(database: DatabaseSync): Iterable<Holdings> {
  return database.prepare(HOLDINGS).iterate() as Iterable<Holdings>;
}

/** The rows of each kind. Read one after the other, never all at once. */
export function copiedRows(database: DatabaseSync): CopySource["rows"] {
  // The row types are our word for the column lists above: tables are STRICT, and the texts are constants.
  const rows = <Name extends keyof CopiedRows>(sql: string) =>
    database.prepare(sql).iterate() as Iterable<CopiedRows[Name]>;
  return {
    messageTypes: () => rows<"messageTypes">(MESSAGE_TYPES),
    agents: () => rows<"agents">(AGENTS),
    credentials: () => rows<"credentials">(CREDENTIALS),
    channelMailboxes: () => rows<"channelMailboxes">(CHANNEL_MAILBOXES),
    channels: () => channelsWithParts(database),
    tasks: () => tasksWithParts(database),
    taskEvents: () => numberedEvents(database),
    endedDependencies: () => rows<"endedDependencies">(ENDED_DEPENDENCIES),
    archivedTasks: () => rows<"archivedTasks">(ARCHIVED),
    usageHours: () => rows<"usageHours">(USAGE_HOURS),
    messages: () => rows<"messages">(MESSAGES),
    ...copiedWaitingRows(database),
  };
}

type ChannelAlone = Omit<CopiedChannel, "member_rows" | "grant_rows"> & { channel_no: number };

function* channelsWithParts(database: DatabaseSync): Iterable<CopiedChannel> {
  const members = database.prepare(MEMBERS);
  const grants = database.prepare(GRANTS);
  for (const row of database.prepare(CHANNELS).iterate() as Iterable<ChannelAlone>) {
    const { channel_no: channelNo, ...channel } = row;
    yield {
      ...channel,
      member_rows: members.all(channelNo) as unknown as CopiedMember[],
      grant_rows: grants.all(channelNo) as unknown as CopiedGrant[],
    };
  }
}

type TaskAlone = Omit<CopiedTask, "attempts" | "dependencies" | "usage"> & { task_no: number };

function* tasksWithParts(database: DatabaseSync): Iterable<CopiedTask> {
  const attempts = database.prepare(ATTEMPTS);
  const dependencies = database.prepare(DEPENDENCIES);
  const usage = database.prepare(USAGE);
  for (const row of database.prepare(TASKS).iterate() as Iterable<TaskAlone>) {
    const { task_no: taskNo, ...task } = row;
    yield {
      ...task,
      attempts: attempts.all(taskNo) as unknown as CopiedAttempt[],
      dependencies: dependencies.all(taskNo) as unknown as CopiedDependency[],
      usage: usage.all(taskNo) as unknown as CopiedTask["usage"],
    };
  }
}

function* numberedEvents(database: DatabaseSync): Iterable<CopiedEvent> {
  let taskId = "";
  let place = 0;
  for (const row of database.prepare(EVENTS).iterate() as Iterable<Omit<CopiedEvent, "place">>) {
    place = row.task_id === taskId ? place + 1 : 1;
    taskId = row.task_id;
    yield { ...row, place };
  }
}
