/** What agents import: `agent-communication/client`. No Node module is reached from here. */

export {
  AgentCommunicationError,
  ERRORS,
  type ErrorCode,
  type FieldError,
  isAgentCommunicationError,
  type RequestIds,
} from "../lib/model/errors.ts";
export type { JsonValue } from "../lib/model/json.ts";
export { printable, printableJson } from "../lib/model/printable.ts";
export type { ModelUsage, PairUsage, UsageLine } from "../lib/model/usage.ts";
export { AgentClient } from "./agent-client.ts";
export type { Fetch, FetchAnswer, FetchRequest } from "./fetch-types.ts";
export { type AbortCause, HandlerAborted, PermanentError } from "./handler-errors.ts";
export type { MessageContext, MessageHandler } from "./message-runner.ts";
export type { AskedQuestion, AssignedDependency, AssignedResume, AssignedTask, TaskOutcome } from "./payloads.ts";
export type { QuestionHandler } from "./question-answering.ts";
export type { AgentClientOptions, CallOptions } from "./route-caller.ts";
export type { BodyOf, InputOf, ParamsOf, QueryOf, ReplyOf, RouteKey } from "./route-types.ts";
export {
  type Assignable,
  type AssignableWorkflow,
  Supervisor,
  type SupervisorOptions,
  type WorkflowState,
} from "./supervisor.ts";
export type { TaskContext, TaskHandler } from "./task-context.ts";
export type { Child, SuspendOptions, TaskSuspension } from "./task-suspension.ts";
export { isUnreachable } from "./transport-errors.ts";
export type { UsageFilter } from "./usage-client.ts";
export { type UsageDetails, usageOf } from "./usage-of.ts";
export { Worker } from "./worker.ts";
export type { StopOptions, WorkerEvent, WorkerOptions } from "./worker-options.ts";
