import type { TaskStatus } from "../../model/task.ts";
import type { WorkflowStatus } from "../../model/workflow.ts";
import type { RetryAsk, RetryEngine } from "../retry-verbs.ts";
import type { Reopened, RetriedDependency, RetriedTask, ToldDependent } from "../rules/reopening-rows.ts";
import { decideLeft, type SeenRetry } from "../rules/retries.ts";
import { type BatchResult, id, text } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { decideBy, type Subject } from "./decide.ts";
import { itemText } from "./item-text.ts";
import { procedure } from "./procedures.ts";

/** Re-opening what has ended: rows that are read, and rows that rules/retries.ts wants written. */

const READ = procedure("read_retry");
const REOPEN = procedure("reopen_tasks");

const RETRIES: Subject<RetryAsk, SeenRetry, Reopened> = {
  name: "retries",
  read: READ,
  ask: ({ taskId, workflowId }) => ({ taskId: id(taskId ?? null), workflowId: id(workflowId ?? null) }),
  see,
  write: ({ tasks, settlements, causes, workflows, totals, visited, dropped }) => ({
    sql: REOPEN,
    inputs: {
      tasks: json(
        tasks.map(({ detail, ...row }) => (detail === undefined ? row : { ...row, detail: itemText(detail) })),
      ),
      settlements: json(settlements),
      causes: json(causes),
      workflows: json(workflows),
      totals: json(totals),
      visited: json(visited),
      dropped: json(dropped),
    },
  }),
  // Two retries may meet at any task between them: one after the other.
  key: () => "",
};

function json(rows: readonly unknown[]) {
  return text(JSON.stringify(rows));
}

/** What the verbs of retries read and write. */
export function retryEngine(connection: Connection): Pick<RetryEngine, "decide"> {
  return {
    decide: decideBy(connection, RETRIES),
  };
}

/** The sweep: goes on with what calls have left. @returns whether there was something */
export async function reopenLeft(connection: Connection): Promise<boolean> {
  let found = false;
  await decideBy(connection, RETRIES)({}, (seen, deciding) => {
    found = seen.left.length > 0;
    return decideLeft(seen, deciding);
  });
  return found;
}

interface About {
  archived_as: TaskStatus | null;
  workflow: WorkflowStatus | null;
}

function see(result: BatchResult): SeenRetry {
  const tasks = result.rows<RetriedTask & { generation: number }>(1);
  const dependencies = result.rows<RetriedDependency>(2);
  const told = result.rows<ToldDependent>(3);
  const [about] = result.rows<About>(4);
  return {
    tasks: tasks.filter(({ generation }) => generation === 0),
    archivedAs: tasks.length > 0 ? undefined : (about?.archived_as ?? undefined),
    workflow: about?.workflow ?? undefined,
    left: result.rows<{ task_id: string }>(5).map(({ task_id: taskId }) => taskId),
    followers: (taskId) => tasks.filter((task) => task.because_of === taskId && task.task_id !== taskId),
    dependencies: (taskNo) => dependencies.filter((dependency) => dependency.task_no === taskNo),
    told: (taskId) => told.filter((dependent) => dependent.depends_on === taskId),
  };
}
