import { MAINTENANCE_BUDGET_MILLISECONDS } from "./limits.ts";

/**
 * What a caller has to know of each operation before it calls: whether the call may be sent again when its answer was lost. The route
 * table and the client both read it here, so the client needs nothing of the server. A route that is not listed does not compile. The
 * shapes of the operations are in contract/, apart from this, because the client reads this file at run time and loads no schemas.
 */

/**
 * Whether a repeat of a call is safe, and what identifies it as a repeat.
 *
 * - `idempotent`: nothing needs to: the state is the same however often the call is made
 * - `attempt`: the fields `agentId` and `attempt` of the body
 * - `messageId`, `messageIds` (one for each message of a batch), `taskId`, `workflowId`: an id in the body, or the Idempotency-Key header
 * - `claimId`: an id in the body
 * - `idempotencyKey`: the Idempotency-Key header
 * - `unsafe`: nothing; a second call does more than the first
 * - `unneeded`: a failure is an answer in itself, so there is no reason to ask again
 */
export type Repeat =
  | "idempotent"
  | "attempt"
  | "messageId"
  | "messageIds"
  | "taskId"
  | "workflowId"
  | "claimId"
  | "idempotencyKey"
  | "unsafe"
  | "unneeded";

/** Every operation by its key, in the order of the route table. */
export const REPEATS = {
  "POST /agents": "idempotencyKey",
  "GET /agents": "idempotent",
  "GET /directory": "idempotent",
  "GET /agents/{agentId}": "idempotent",
  "DELETE /agents/{agentId}": "idempotent",
  "POST /agents/{agentId}/heartbeat": "idempotent",
  "GET /token": "idempotent",
  // The new token replaces an earlier one that was not used yet.
  "POST /agents/{agentId}/token": "idempotent",
  // Nothing identifies a repeat, and the secret cannot be shown a second time.
  "POST /credentials": "unsafe",
  "GET /credentials": "idempotent",
  "DELETE /credentials/{credentialId}": "idempotent",
  "POST /agents/{agentId}/messages/receive": "claimId",
  "GET /agents/{agentId}/messages": "idempotent",
  // A second call ends the next messages that match.
  "POST /agents/{agentId}/messages/purge": "unsafe",
  "POST /messages": "messageId",
  "POST /messages/batch": "messageIds",
  "POST /messages/settle": "attempt",
  "GET /messages/{messageId}": "idempotent",
  "DELETE /messages/{messageId}": "idempotent",
  "POST /messages/{messageId}/complete": "attempt",
  "POST /messages/{messageId}/retry": "attempt",
  "POST /messages/{messageId}/dead-letter": "attempt",
  "POST /messages/{messageId}/renew": "attempt",
  "POST /channels": "idempotent",
  "GET /channels": "idempotent",
  "GET /channels/{name}": "idempotent",
  "DELETE /channels/{name}": "idempotent",
  "GET /channels/{name}/members": "idempotent",
  "PUT /channels/{name}/members/{agentId}": "idempotent",
  "DELETE /channels/{name}/members/{agentId}": "idempotent",
  "PUT /channels/{name}/grants": "idempotent",
  "POST /channels/{name}/messages/receive": "claimId",
  "GET /channels/{name}/messages": "idempotent",
  // A second call ends the next messages that match.
  "POST /channels/{name}/messages/purge": "unsafe",
  "GET /dead-letters": "idempotent",
  // A second call takes the next dead letters of the filter.
  "POST /dead-letters/redrive": "unsafe",
  "POST /dead-letters/purge": "unsafe",
  "PUT /message-types/{type}": "idempotent",
  "GET /message-types": "idempotent",
  "GET /message-types/{type}": "idempotent",
  "DELETE /message-types/{type}": "idempotent",
  "POST /tasks": "taskId",
  "POST /tasks/preview": "idempotent",
  "GET /tasks": "idempotent",
  "GET /tasks/{taskId}": "idempotent",
  "GET /tasks/{taskId}/assignment": "idempotent",
  "GET /tasks/{taskId}/history": "idempotent",
  "GET /tasks/{taskId}/dependencies": "idempotent",
  "POST /tasks/{taskId}/start": "attempt",
  "POST /tasks/{taskId}/progress": "attempt",
  "POST /tasks/{taskId}/complete": "attempt",
  "POST /tasks/{taskId}/fail": "attempt",
  "POST /tasks/{taskId}/suspend": "attempt",
  // The same answer to the same question.
  "POST /tasks/{taskId}/answer": "idempotent",
  "POST /tasks/{taskId}/cancel": "idempotent",
  // What is open stays as it is.
  "POST /tasks/{taskId}/retry": "idempotent",
  "GET /questions": "idempotent",
  "POST /workflows": "workflowId",
  "GET /workflows": "idempotent",
  "GET /workflows/{workflowId}": "idempotent",
  "POST /workflows/{workflowId}/cancel": "idempotent",
  "POST /workflows/{workflowId}/retry": "idempotent",
  "PUT /schedules/{scheduleId}": "idempotent",
  "GET /schedules": "idempotent",
  "GET /schedules/{scheduleId}": "idempotent",
  "DELETE /schedules/{scheduleId}": "idempotent",
  "POST /schedules/{scheduleId}/trigger": "idempotencyKey",
  "POST /tasks/{taskId}/usage": "attempt",
  "GET /usage": "idempotent",
  "GET /stats/queue": "idempotent",
  "GET /stats/registry": "idempotent",
  "GET /stats/coordination": "idempotent",
  "GET /metrics": "idempotent",
  "GET /health": "unneeded",
  "GET /health/live": "unneeded",
  "GET /audit": "idempotent",
  "GET /audit/blocks": "idempotent",
  "GET /audit/blocks/{blockNo}": "idempotent",
  "GET /audit/digest": "idempotent",
  "POST /maintenance": "idempotent",
  "POST /keys/rotate": "idempotent",
  "GET /openapi.json": "idempotent",
} as const satisfies Readonly<Record<string, Repeat>>;

/** The method and path of an operation: `POST /agents/{agentId}/heartbeat`. */
export type OperationKey = keyof typeof REPEATS;

/** What operations may take beside the time of any request, in milliseconds. (A long poll takes what its caller asks for.) */
export const OWN_MILLISECONDS: Readonly<Partial<Record<OperationKey, number>>> = {
  "POST /maintenance": MAINTENANCE_BUDGET_MILLISECONDS,
};
