import type { Workflow } from "../model/workflow.ts";
import type { Decide } from "./decision.ts";
import type { Reopened } from "./rules/reopening-rows.ts";
import { decideTaskRetry, decideWorkflowRetry, type SeenRetry } from "./rules/retries.ts";
import type { Store } from "./store.ts";

/** The verbs that re-open what has ended, over what an engine reads and writes. */

/** A task, the tasks of a workflow, or what calls have left. */
export interface RetryAsk {
  taskId?: string;
  workflowId?: string;
}

/** What an engine does for retries; tasks that wait for an agent then are handed out after the commit. */
export interface RetryEngine {
  decide: Decide<RetryAsk, SeenRetry, Reopened>;
  getWorkflow(workflowId: string): Promise<Workflow>;
}

/** The verbs of the store that are about retries. */
export function retryVerbs(engine: RetryEngine) {
  return {
    retryTask: (taskId, reason) =>
      engine.decide({ taskId }, (seen, deciding) => decideTaskRetry({ id: taskId, reason }, seen, deciding)),
    async retryWorkflow(workflowId, reason) {
      await engine.decide({ workflowId }, (seen, deciding) =>
        decideWorkflowRetry({ id: workflowId, reason }, seen, deciding),
      );
      return engine.getWorkflow(workflowId);
    },
  } satisfies Partial<Store>;
}
