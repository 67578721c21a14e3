import type { CopiedKind, CopiedRows, CopiedTable, CopySource, CopyTarget, FoundRow } from "./copied-rows.ts";
import { CopyError } from "./copy-error.ts";
import { pagesOf } from "./pages.ts";

/**
 * Copies what a switchboard works with from one database to another: who is there, what waits, what is under way. Rows go
 * by their ids, kind after kind, in transactions of at most MAINTENANCE_BATCH_ROWS rows, each with the counters that count
 * it. What is there already is compared and passed over; so a second run goes on where the first one ended, however it did.
 */

/** How a kind is copied. */
interface Kind<Row extends object> {
  /** As it is printed. */
  title: string;
  /** One of them, for a refusal. */
  noun: string;
  idOf(row: Row): string;
  /** Columns by which a row of the target is known to be the same. Empty: the id says everything. */
  compared: readonly (keyof Row & string)[];
}

type Kinds = { readonly [Name in CopiedKind]: Kind<CopiedRows[Name]> };

/** In the order in which rows refer to each other. */
const KINDS: Kinds = {
  messageTypes: {
    title: "message types",
    noun: "the message type",
    idOf: (row) => row.type,
    compared: ["schema", "updated_at"],
  },
  agents: {
    title: "agents",
    noun: "the agent",
    idOf: (row) => row.agent_id,
    compared: ["role", "status", "capabilities", "max_concurrent_tasks", "registered_at", "last_heartbeat_at"],
  },
  credentials: {
    title: "credentials",
    noun: "the credential",
    idOf: (row) => row.credential_id,
    compared: ["kind", "agent_id", "created_at", "expires_at", "revoked_at", "uses_left"],
  },
  channelMailboxes: {
    title: "mailboxes of channels",
    noun: "the mailbox",
    idOf: (row) => row.agent_id,
    compared: ["status", "registered_at"],
  },
  channels: {
    title: "channels",
    noun: "the channel",
    idOf: (row) => row.name,
    compared: ["kind", "created_by", "created_at", "request_hash", "members", "grants"],
  },
  workflows: {
    title: "workflows",
    noun: "the workflow",
    idOf: (row) => row.workflow_id,
    compared: ["workflow_id", "request_hash", "status", "version", "open_tasks"],
  },
  tasks: {
    title: "tasks",
    noun: "the task",
    idOf: (row) => row.task_id,
    compared: [
      ...([
        "archived",
        "task_id",
        "supervisor_id",
        "request_hash",
        "status",
        "version",
        "attempt",
        "agent_id",
        "retries_used",
      ] as const),
      ...(["cancel_requested", "created_at", "available_at", "assigned_at", "deadline_at", "ended_at"] as const),
      ...(["unmet_dependencies", "percent"] as const),
    ],
  },
  waits: {
    title: "waits of tasks",
    noun: "the wait of the task",
    idOf: (row) => row.task_id,
    compared: [],
  },
  taskEvents: {
    title: "events of tasks",
    noun: "the event",
    idOf: (row) => `${row.task_id} ${row.place}`,
    compared: [],
  },
  endedDependencies: {
    title: "ended dependencies",
    noun: "the ended dependency",
    idOf: (row) => row.task_id,
    compared: ["completed"],
  },
  archivedTasks: {
    title: "archived tasks",
    noun: "the archived task",
    idOf: (row) => row.task_id,
    compared: ["archived", "task_id", "supervisor_id", "request_hash", "status", "attempt", "ended_at"],
  },
  usageHours: {
    title: "hours of usage",
    noun: "the hour of usage",
    idOf: (row) => [row.hour, row.agent_id, row.task_type, row.supervisor_id, row.provider, row.model].join(" "),
    compared: [],
  },
  archivedValues: {
    title: "values of archived tasks",
    noun: "the archived value",
    idOf: (row) => `${row.task_id} ${row.name}`,
    compared: [],
  },
  schedules: {
    title: "schedules",
    noun: "the schedule",
    idOf: (row) => row.schedule_id,
    compared: ["version", "due_at", "updated_at"],
  },
  messages: {
    title: "open messages",
    noun: "the message",
    idOf: (row) => row.message_id,
    compared: [
      ...(["message_id", "sender_id", "receiver_id", "request_hash", "type", "priority", "status", "attempt"] as const),
      ...(["attempt_limit", "accepted_at", "available_at", "lease_expires_at", "ended_at", "ordering_key"] as const),
      ...(["channel", "post_id", "holder"] as const),
    ],
  },
};

/** What was copied of one kind. */
export interface CopiedCount {
  kind: string;
  copied: number;
  /** There before, from a run that did not get to its end. */
  present: number;
}

export interface CopyOptions {
  /** Carries messages and tasks that somebody works on over with their leases, instead of refusing. */
  includeLeased: boolean;
  /** Carries what is encrypted over as it is, instead of refusing: the target has to have the same keys. */
  includeEncrypted: boolean;
  /** Called when a kind has been copied. */
  onCopied?: (count: CopiedCount) => void;
}

/**
 * @returns what was copied, kind by kind
 * @throws CopyError while leases are live, when something is encrypted, or when the target has something else under an id
 * @example
 * const counts = await copyStore(source, target, { includeLeased: false, includeEncrypted: false });
 */
export async function copyStore(source: CopySource, target: CopyTarget, options: CopyOptions): Promise<CopiedCount[]> {
  if (!options.includeLeased) refuseLiveLeases(source);
  if (!options.includeEncrypted) refuseEncrypted(source);
  const counts: CopiedCount[] = [];
  for (const name of Object.keys(KINDS) as CopiedKind[]) {
    const count = await copyKind(name, source, target);
    counts.push(count);
    options.onCopied?.(count);
  }
  await verify(source, target);
  return counts;
}

function refuseLiveLeases(source: CopySource): void {
  const { messages, tasks } = source.liveLeases();
  if (messages === 0 && tasks === 0) return;
  throw new CopyError(
    `${source.name} has ${messages} leased messages and ${tasks} assigned or running tasks: let them end first, or carry them over with --include-leased`,
  );
}

function refuseEncrypted(source: CopySource): void {
  const versions = source.keyVersions();
  if (versions.length === 0) return;
  const names = `version${versions.length === 1 ? "" : "s"} ${versions.join(", ")}`;
  throw new CopyError(
    `${source.name} has values that are encrypted under the key ${names}: the services of the copy need that key file, too (docs/encryption.md says how to move on to a vault); carry them over with --include-encrypted`,
  );
}

async function copyKind<Name extends CopiedKind>(
  name: Name,
  source: CopySource,
  target: CopyTarget,
): Promise<CopiedCount> {
  const kind: Kind<CopiedRows[Name]> = KINDS[name];
  const table: CopiedTable<CopiedRows[Name]> = target.tables[name];
  const count: CopiedCount = { kind: kind.title, copied: 0, present: 0 };
  for (const page of pagesOf<CopiedRows[Name]>(source.rows[name]())) {
    if (kind.compared.length > 0) compare(kind, page, await table.find(page), target);
    const added = await table.add(page);
    count.copied += added;
    count.present += page.length - added;
  }
  return count;
}

/**
 * A row that the target has and the source has no more was not looked at above: it would be worked on twice. It comes from
 * work on the source between two runs, or on the target.
 *
 * @throws CopyError naming the first agent of whom the target has more, or less
 */
async function verify(source: CopySource, target: CopyTarget): Promise<void> {
  for (const page of pagesOf(source.holdings())) {
    const there = new Map((await target.holdings(page.map((here) => here.agent_id))).map((row) => [row.agent_id, row]));
    for (const here of page) {
      const { messages, tasks } = there.get(here.agent_id) ?? { messages: 0, tasks: 0 };
      if (messages === here.messages && tasks === here.tasks) continue;
      throw new CopyError(
        `${target.name} has ${messages} messages for the agent ${here.agent_id} and ${tasks} tasks of it, ${source.name} ${here.messages} and ${here.tasks}: one of them was worked on since the copy was begun; copy into a new database`,
      );
    }
  }
}

/** @throws CopyError naming the first row that is another one in the target */
function compare<Row extends object>(
  kind: Kind<Row>,
  page: readonly Row[],
  found: readonly FoundRow[],
  target: CopyTarget,
): void {
  const rows = new Map(page.map((row) => [kind.idOf(row), row]));
  for (const there of found) {
    const here = rows.get(there.asked);
    if (here === undefined) continue;
    const column = kind.compared.find((name) => plain(there[name]) !== plain(here[name]));
    if (column === undefined) continue;
    const difference = `${column} ${show(there[column])} there, ${show(here[column])} here`;
    throw new CopyError(
      `${kind.noun} ${there.asked} is in ${target.name} with different content (${difference}): copy into a database that holds nothing else and that no process serves yet`,
    );
  }
}

/** Flags are numbers here, and true or false there. */
function plain(value: unknown): unknown {
  return typeof value === "boolean" ? Number(value) : value;
}

const SHOWN_CHARACTERS = 80;

function show(value: unknown): string {
  const text = String(plain(value));
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
