import type { CallOptions } from "./route-caller.ts";
import type { BodyOf, QueryOf, ReplyOf } from "./route-types.ts";
import { untilEnded, untilWorkflowEnded } from "./until-ended.ts";
import { UsageClient } from "./usage-client.ts";

/** The routes of tasks, of their questions and of workflows; the rest of them is in AgentClient. */
export class TaskClient extends UsageClient {
  // tasks -----------------------------------------------------------------------------------------------------------

  /** Gives the task to the best worker, or lets it wait for one. */
  assignTask(task: BodyOf<"POST /tasks">, options?: CallOptions) {
    return this.call("POST /tasks", { body: task }, options);
  }

  /** Whom `assignTask` would choose now, and why. Writes nothing. */
  previewTask(task: BodyOf<"POST /tasks/preview">, options?: CallOptions) {
    return this.call("POST /tasks/preview", { body: task }, options);
  }

  /** Newest first. */
  listTasks(query: QueryOf<"GET /tasks"> = {}, options?: CallOptions) {
    return this.call("GET /tasks", { query }, options);
  }

  getTask(taskId: string, options?: CallOptions) {
    return this.call("GET /tasks/{taskId}", { params: { taskId } }, options);
  }

  /**
   * The task as soon as its `version` is greater than `afterVersion`; as it is after `waitSeconds`, at most 20.
   *
   * @example
   * const { version } = await client.getTask("build-1");
   * const changed = await client.watchTask("build-1", { afterVersion: version, waitSeconds: 20 });
   */
  watchTask(
    taskId: string,
    query: QueryOf<"GET /tasks/{taskId}"> & { afterVersion: number; waitSeconds: number },
    options?: CallOptions,
  ) {
    return this.call("GET /tasks/{taskId}", { params: { taskId }, query }, options);
  }

  /**
   * Waits until the task has ended, in whatever way: see `status`. A Supervisor's `waitFor` is told by the message and asks less.
   *
   * @throws AgentCommunicationError TASK_NOT_FOUND
   * @throws the reason of `options.signal` when that aborts; `AbortSignal.timeout(ms)` makes a time limit
   */
  waitForTask(taskId: string, options?: CallOptions): Promise<ReplyOf<"GET /tasks/{taskId}">> {
    return untilEnded(this, taskId, options);
  }

  /** The attempts, oldest first: who was considered, who was chosen and why. */
  getAssignments(taskId: string, query: QueryOf<"GET /tasks/{taskId}/assignment"> = {}, options?: CallOptions) {
    return this.call("GET /tasks/{taskId}/assignment", { params: { taskId }, query }, options);
  }

  /** What happened to the task, newest first. */
  getTaskHistory(taskId: string, query: QueryOf<"GET /tasks/{taskId}/history"> = {}, options?: CallOptions) {
    return this.call("GET /tasks/{taskId}/history", { params: { taskId }, query }, options);
  }

  /**
   * How the tasks have ended that it depends on, and the children of its last suspension, as its assignment tells it; with results and
   * errors while it is assigned or running.
   *
   * @example
   * const { dependencies } = await client.getTaskDependencies("ship-1");
   */
  getTaskDependencies(taskId: string, options?: CallOptions) {
    return this.call("GET /tasks/{taskId}/dependencies", { params: { taskId } }, options);
  }

  startTask(taskId: string, body: BodyOf<"POST /tasks/{taskId}/start">, options?: CallOptions) {
    return this.call("POST /tasks/{taskId}/start", { params: { taskId }, body }, options);
  }

  /** Also tells whether somebody asked to cancel. */
  progressTask(taskId: string, body: BodyOf<"POST /tasks/{taskId}/progress">, options?: CallOptions) {
    return this.call("POST /tasks/{taskId}/progress", { params: { taskId }, body }, options);
  }

  completeTask(taskId: string, body: BodyOf<"POST /tasks/{taskId}/complete">, options?: CallOptions) {
    return this.call("POST /tasks/{taskId}/complete", { params: { taskId }, body }, options);
  }

  failTask(taskId: string, body: BodyOf<"POST /tasks/{taskId}/fail">, options?: CallOptions) {
    return this.call("POST /tasks/{taskId}/fail", { params: { taskId }, body }, options);
  }

  /** Ends the attempt until a question is answered or a time is reached; the task then comes again, with the checkpoint. */
  suspendTask(taskId: string, body: BodyOf<"POST /tasks/{taskId}/suspend">, options?: CallOptions) {
    return this.call("POST /tasks/{taskId}/suspend", { params: { taskId }, body }, options);
  }

  /** Answers the open question of a task, once. */
  answerTask(taskId: string, body: BodyOf<"POST /tasks/{taskId}/answer">, options?: CallOptions) {
    return this.call("POST /tasks/{taskId}/answer", { params: { taskId }, body }, options);
  }

  /** Open questions, the oldest first: those that the caller, or an agent, may answer. */
  listQuestions(query: QueryOf<"GET /questions"> = {}, options?: CallOptions) {
    return this.call("GET /questions", { query }, options);
  }

  /** Ends a waiting or assigned task; asks a running one to stop. */
  cancelTask(taskId: string, reason?: string, options?: CallOptions) {
    return this.call("POST /tasks/{taskId}/cancel", { params: { taskId }, body: { reason } }, options);
  }

  /**
   * Re-opens a task that failed or was cancelled, and what ended because of it. An open one stays as it is.
   *
   * @throws AgentCommunicationError TASK_ENDED: it completed, is archived or expired, or something went on because it failed
   */
  retryTask(taskId: string, reason?: string, options?: CallOptions) {
    return this.call("POST /tasks/{taskId}/retry", { params: { taskId }, body: { reason } }, options);
  }

  // workflows -------------------------------------------------------------------------------------------------------

  /**
   * Creates up to 200 tasks that name each other by `ref`, all or none. Without `workflowId` (and Idempotency-Key) one is made, so a
   * repeat creates nothing twice.
   *
   * @example
   * await client.createWorkflow({
   *   supervisor: "lead",
   *   tasks: [
   *     { ref: "build", taskType: "build" },
   *     { ref: "deploy", taskType: "deploy", dependsOn: ["build"] },
   *     { ref: "undo", taskType: "undo", dependsOn: [{ ref: "deploy", when: "failed" }] },
   *   ],
   * });
   */
  createWorkflow(workflow: BodyOf<"POST /workflows">, options?: CallOptions) {
    return this.call("POST /workflows", { body: workflow }, options);
  }

  /** Newest first, without their tasks. */
  listWorkflows(query: QueryOf<"GET /workflows"> = {}, options?: CallOptions) {
    return this.call("GET /workflows", { query }, options);
  }

  /** With the states of its tasks, each behind those that it waits for. */
  getWorkflow(workflowId: string, options?: CallOptions) {
    return this.call("GET /workflows/{workflowId}", { params: { workflowId } }, options);
  }

  /**
   * Waits until no task of the workflow is open; `status` says how it ended. A Supervisor's `waitForWorkflow` is told by the message
   * and asks less.
   *
   * @throws AgentCommunicationError NOT_FOUND
   * @throws the reason of `options.signal` when that aborts
   */
  waitForWorkflow(workflowId: string, options?: CallOptions): Promise<ReplyOf<"GET /workflows/{workflowId}">> {
    return untilWorkflowEnded(this, workflowId, options);
  }

  /** Ends what no worker has begun; asks running workers to stop. */
  cancelWorkflow(workflowId: string, reason?: string, options?: CallOptions) {
    return this.call("POST /workflows/{workflowId}/cancel", { params: { workflowId }, body: { reason } }, options);
  }

  /**
   * Re-opens the tasks of a workflow that failed or were cancelled by a call, and what ended because of them.
   *
   * @throws AgentCommunicationError TASK_ENDED: none failed, or as retryTask
   */
  retryWorkflow(workflowId: string, reason?: string, options?: CallOptions) {
    return this.call("POST /workflows/{workflowId}/retry", { params: { workflowId }, body: { reason } }, options);
  }
}
