import { buildDependencies, type DependencyRow, ResultRoom } from "../dependency-results.ts";
import type { StoredDependency } from "../store.ts";
import { taskNotFound } from "../task-records.ts";
import type { Batch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { procedure } from "./procedures.ts";

/** What has become of the tasks that a task depends on. */

/** Each brings as much as an assignment may. */
const MAX_ITEMS = 8;

interface Row extends DependencyRow {
  item: number;
  /** Of a result in the archive: what kind of JSON value the text is; 0 null, 1 a string, without its quotes. */
  result_type: number | null;
}

const DEPENDENCIES: Batch<string, StoredDependency[] | undefined> = {
  name: "get-dependencies",
  sql: procedure("get_dependencies"),
  encode: (taskId) => ({ task_id: taskId }),
  decode(result, taskIds) {
    const known = new Set(result.rows<{ item: number }>(0).map(({ item }) => item));
    const rows = result.byItem<Row>(1);
    return taskIds.map((_, item) => ({ value: known.has(item) ? build(rows.get(item) ?? []) : undefined }));
  },
  maxItems: MAX_ITEMS,
};

function build(rows: readonly Row[]): StoredDependency[] {
  return buildDependencies(
    rows.map((row) => ({ ...row, result: jsonText(row) })),
    new ResultRoom(),
  );
}

function jsonText({ result, result_type: type, left_out: leftOut }: Row): string | null {
  if (type === 0 && leftOut === 0) return "null";
  return type === 1 && result !== null ? JSON.stringify(result) : result;
}

/** The dependencies of a task in their order; results and errors only while somebody works on it. Undefined of one that is not there or archived. */
export function readDependencies(connection: Connection, taskId: string): Promise<StoredDependency[] | undefined> {
  return connection.run(DEPENDENCIES, taskId);
}

/** The same of a task that must be there. @throws TASK_NOT_FOUND, also of an archived one, which nobody works on */
export async function getDependencies(connection: Connection, taskId: string): Promise<StoredDependency[]> {
  const dependencies = await readDependencies(connection, taskId);
  if (dependencies === undefined) throw taskNotFound(taskId);
  return dependencies;
}
