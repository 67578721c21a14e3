import { type ArchivedValue, writeArchived } from "../archived-documents.ts";
import type { Step, Walked } from "../upkeep-runs.ts";
import type { Connection } from "./connection.ts";
import { itemJsonText } from "./item-text.ts";
import { procedure } from "./procedures.ts";
import { newestEventsByNo, readTasksByNo, storedAttemptsByNo } from "./task-reading.ts";
import { upkeepStep } from "./upkeep-step.ts";

/** Moves finished tasks past their retention to the archive, and drops what then nobody names any more. */

/** A task takes about ten rows with it, and its documents pass through this process: up to 5 MB each. */
export const TASKS_PER_TRANSACTION = 20;
/** The newest events that the archive keeps of a task: one that reported progress every second has a great many. */
const EVENTS_MAX = 1_000;

const OLD = procedure("old_tasks");

/** Tasks with their documents, as the archive keeps them; the lists go side by side. */
interface Archived {
  taskNos: number[];
  /** JSON texts. */
  tasks: readonly string[];
  keyVersions: readonly (string | null)[];
  resultKeyVersions: readonly (string | null)[];
  /** What is encrypted of each beside its document. */
  values: readonly (readonly ArchivedValue[])[];
  assignments: readonly object[];
  events: readonly object[];
}

/** The documents of a list, each as text of its own: OPENJSON gives whole only what stands in a list of texts. */
function documents(values: readonly object[]): string[] {
  return values.map((value) => itemJsonText(JSON.stringify(value)));
}

/**
 * Other processes may archive the same tasks at the same time: only what this one has deleted is put into the archive. A
 * finished task does not change any more, so its documents are what they were when they were read (or its values have been
 * encrypted again meanwhile: the version beside the document is of what is in it). Its parts go with it; messages about it
 * lose the reference and keep their text.
 */
const ARCHIVE = upkeepStep<Archived, { done: number }>({
  name: "archive-tasks",
  encode: ({ taskNos, tasks, keyVersions, resultKeyVersions, values, assignments, events }) => ({
    taskNos,
    tasks: tasks.map(itemJsonText),
    keyVersions: [...keyVersions],
    resultKeyVersions: [...resultKeyVersions],
    values: values.map((list) => list.map(({ value, ...named }) => ({ ...named, value: itemJsonText(value) }))),
    assignments: documents(assignments),
    events: documents(events),
  }),
  sql: procedure("archive_tasks"),
});

/**
 * Drops demands that no task has any more. Apart from the archiving, for demands come first in the order of locks; a task that
 * takes one up meanwhile holds it by a foreign key: a lost race for one of the two.
 */
const DROP_DEMANDS = upkeepStep<{ demandNos: number[] }, { done: number }>({
  name: "drop-unused-demands",
  encode: ({ demandNos }) => ({ demandNos }),
  sql: procedure("drop_unused_demands"),
});

/** Archives finished tasks older than the retention whose dependents have all been told. */
export async function archiveTasks(connection: Connection): Promise<Step> {
  const old = (await connection.query(OLD)).rows<{ task_no: number; demand_no: number }>(0);
  if (old.length === 0) return { done: 0, more: false };
  const taskNos = old.map((row) => row.task_no);
  const [tasks, attempts, events] = await Promise.all([
    readTasksByNo(connection, taskNos),
    storedAttemptsByNo(connection, taskNos),
    newestEventsByNo(connection, taskNos, EVENTS_MAX),
  ]);
  const written = [...tasks.values()].map(({ task, values }) => writeArchived(task, values));
  const { done } = await connection.run(ARCHIVE, {
    taskNos: [...tasks.keys()],
    tasks: written.map(({ task }) => task),
    keyVersions: written.map(({ key_version }) => key_version),
    resultKeyVersions: written.map(({ result_key_version }) => result_key_version),
    values: written.map(({ values }) => values),
    assignments: [...tasks.keys()].map((taskNo) => attempts.get(taskNo) ?? []),
    events: [...tasks.keys()].map((taskNo) => (events.get(taskNo) ?? []).toReversed()),
  });
  await connection.run(DROP_DEMANDS, { demandNos: [...new Set(old.map((row) => row.demand_no))] });
  return { done, more: old.length === TASKS_PER_TRANSACTION };
}

/** An agent that takes up a set while it is dropped holds it by a foreign key: a lost race for one of the two. */
const DROP_SETS = upkeepStep<{ after: number }, { done: number; next: number | null }>({
  name: "drop-unused-sets",
  encode: ({ after }) => ({ after }),
  sql: procedure("drop_unused_sets"),
});

/** Drops capability sets that no agent has any more: each costs every assignment that it meets a look. */
export async function dropUnusedSets(connection: Connection, after: number): Promise<Walked> {
  const { done, next } = await connection.run(DROP_SETS, { after });
  return { done, next: next ?? undefined };
}
