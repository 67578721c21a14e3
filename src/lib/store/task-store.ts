import type { Explanation } from "../model/explanation.ts";
import type { AnswerReply, SuspendReply } from "../model/suspension.ts";
import type {
  Assignment,
  AssignTaskReply,
  FailTask,
  ListTasksQuery,
  ProgressTask,
  StartTask,
  TaskRelation,
  TaskReply,
} from "../model/task.ts";
import type { TaskEvent } from "../model/task-history.ts";
import type { CreateWorkflowReply, Workflow, WorkflowSummary } from "../model/workflow.ts";
import type { ListWorkflows, NewAnswer, NewTask, NewWorkflow, Page, Paged, Suspension, TaskVersion } from "./calls.ts";
import type { QuestionOfTask, StoredDependency, StoredTask, TaskCompletion } from "./stored-values.ts";

/** The verbs of the store that are about tasks, their questions and workflows. The rules of store.ts hold for them. */
export interface TaskStore {
  /**
   * Creates the task and assigns it, or lets it wait. @throws AGENT_NOT_FOUND (supervisor, assignTo), AGENT_DEREGISTERED,
   * FORBIDDEN (not a supervisor or admin), DEPENDENCY_INVALID, ID_TAKEN, IDEMPOTENCY_MISMATCH
   */
  assignTask(task: NewTask): Promise<AssignTaskReply & { duplicate: boolean }>;
  /** What assignTask would weigh and choose now; writes nothing. Same refusals. */
  previewAssignment(task: NewTask): Promise<Explanation>;
  /** Reads the archive as well. @throws TASK_NOT_FOUND */
  getTask(taskId: string): Promise<StoredTask>;
  /** The versions of these tasks; archived and unknown ones are left out. Writes nothing. */
  findTaskVersions(taskIds: readonly string[]): Promise<TaskVersion[]>;
  /** As its assignment tells it, with the children of its last suspension; unless assigned or running, without results and errors. @throws TASK_NOT_FOUND (archived, too) */
  getDependencies(taskId: string): Promise<StoredDependency[]>;
  /** Newest first; archived tasks are not listed. */
  listTasks(query: Page & Omit<ListTasksQuery, "limit" | "cursor">): Promise<Paged<StoredTask>>;
  /** Whether the parameters of a task, archived ones included, are encrypted; undefined when there is no such task. */
  isSensitiveTask(taskId: string): Promise<boolean | undefined>;
  /** What a task, archived ones included, is to an agent; undefined where it is nothing to it, or does not exist. */
  relationToTask(agentId: string, taskId: string): Promise<TaskRelation | undefined>;
  /** The attempts, oldest first. @throws TASK_NOT_FOUND */
  getAssignments(taskId: string, page: Page): Promise<Paged<Assignment>>;
  /** Newest first. @throws TASK_NOT_FOUND */
  getTaskHistory(taskId: string, page: Page): Promise<Paged<TaskEvent>>;
  /** assigned → running. @throws TASK_NOT_FOUND, LEASE_LOST, AGENT_NOT_FOUND, AGENT_DEREGISTERED; with usage USAGE_LIMIT */
  startTask(taskId: string, start: StartTask): Promise<TaskReply>;
  /** As startTask; records percent and note, and may move the deadline. */
  progressTask(taskId: string, progress: ProgressTask): Promise<TaskReply>;
  /** assigned or running → completed, with its result message, dependents and counters. */
  completeTask(taskId: string, completion: TaskCompletion): Promise<TaskReply>;
  /** → pending with backoff, or failed past maxRetries or when not retryable. */
  failTask(taskId: string, failure: FailTask): Promise<TaskReply>;
  /**
   * assigned or running → input_required, or pending until a time; cancelled where that was requested. @throws as startTask,
   * SUSPENSION_LIMIT, INVALID_REQUEST (the time), AGENT_NOT_FOUND (askedOf), IDEMPOTENCY_MISMATCH (the attempt was suspended with another
   * request)
   */
  suspendTask(taskId: string, suspension: Suspension): Promise<SuspendReply>;
  /**
   * Wakes the task of an open question, or ends its gate. The same answer again: the first reply. @throws TASK_NOT_FOUND, NOT_FOUND (no such
   * question), ALREADY_ANSWERED, TASK_ENDED, AGENT_NOT_FOUND, AGENT_DEREGISTERED
   */
  answerQuestion(taskId: string, answer: NewAnswer): Promise<AnswerReply>;
  /** A question of a task, open or not, with the contents of the newest alone. @throws TASK_NOT_FOUND, NOT_FOUND (also of an archived task) */
  getQuestion(taskId: string, questionId: string): Promise<QuestionOfTask>;
  /** Open questions that an agent may answer, the oldest first; without an agent all. */
  listQuestions(query: Page & { agentId?: string | undefined }): Promise<Paged<QuestionOfTask>>;
  /** @throws TASK_NOT_FOUND, TASK_ENDED */
  cancelTask(taskId: string, reason: string | undefined): Promise<TaskReply>;
  /** Re-opens a failed or cancelled task and what ended because of it; an open one stays as it is. @throws TASK_NOT_FOUND, TASK_ENDED */
  retryTask(taskId: string, reason: string | undefined): Promise<TaskReply>;

  // workflows -------------------------------------------------------------------------------------------------------
  /** All of its tasks or none, waiting, then hands out. Again: the first reply. @throws as assignTask, of the workflow, too */
  createWorkflow(workflow: NewWorkflow): Promise<CreateWorkflowReply & { duplicate: boolean }>;
  /** @throws NOT_FOUND (also once its last task is archived) */
  getWorkflow(workflowId: string): Promise<Workflow>;
  /** Newest first. */
  listWorkflows(query: ListWorkflows): Promise<Paged<WorkflowSummary>>;
  /** Cancels its open tasks together; running ones are asked. Again: the same. @throws NOT_FOUND, TASK_ENDED */
  cancelWorkflow(workflowId: string, reason: string | undefined): Promise<Workflow>;
  /** The same of all its tasks that failed or were cancelled by a call. @throws NOT_FOUND, TASK_ENDED */
  retryWorkflow(workflowId: string, reason: string | undefined): Promise<Workflow>;
  /** Whether the agent has made it. */
  ownsWorkflow(agentId: string, workflowId: string): Promise<boolean>;
}
