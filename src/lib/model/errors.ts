/**
 * The one closed set of errors. Every refusal that leaves a store verb, a domain class, a route or the client carries
 * one of these codes; anything else is a defect and reads as INTERNAL.
 * Shape on the wire: RFC 9457 application/problem+json, https://www.rfc-editor.org/rfc/rfc9457
 */
export const ERRORS = {
  INVALID_REQUEST: { status: 400, title: "The request is invalid" },
  UNAUTHENTICATED: { status: 401, title: "Credentials are missing or not valid" },
  FORBIDDEN: { status: 403, title: "The caller may not do this" },
  CHANNEL_FORBIDDEN: { status: 403, title: "The channel does not allow this" },
  NOT_FOUND: { status: 404, title: "The resource does not exist" },
  AGENT_NOT_FOUND: { status: 404, title: "No such agent" },
  MESSAGE_NOT_FOUND: { status: 404, title: "No such message" },
  TASK_NOT_FOUND: { status: 404, title: "No such task" },
  CHANNEL_NOT_FOUND: { status: 404, title: "No such channel" },
  METHOD_NOT_ALLOWED: { status: 405, title: "The path does not support this method" },
  LEASE_LOST: { status: 409, title: "The attempt is no longer the current one" },
  AGENT_DEREGISTERED: { status: 409, title: "The agent is deregistered" },
  TASK_ENDED: { status: 409, title: "The task has already ended" },
  ALREADY_ANSWERED: { status: 409, title: "The question has another answer already" },
  ID_TAKEN: { status: 409, title: "The id is in use" },
  PAYLOAD_TOO_LARGE: { status: 413, title: "The request, or a part of it, is too large" },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: "The body must be application/json" },
  IDEMPOTENCY_MISMATCH: { status: 422, title: "The id or key was used with a different body" },
  DEPENDENCY_INVALID: { status: 422, title: "A dependency is not valid" },
  SCHEMA_MISMATCH: { status: 422, title: "The payload or answer does not satisfy its schema" },
  SUSPENSION_LIMIT: { status: 422, title: "The task has been suspended too often" },
  TASK_TREE_LIMIT: { status: 422, title: "The task may not make these children" },
  USAGE_LIMIT: { status: 422, title: "The attempt has named too many models" },
  MAILBOX_FULL: { status: 429, title: "The receiver's mailbox is full" },
  RATE_LIMITED: { status: 429, title: "Too many requests" },
  INTERNAL: { status: 500, title: "Internal error" },
  STORE_UNAVAILABLE: { status: 503, title: "The store cannot be reached" },
  KEY_UNAVAILABLE: { status: 503, title: "The encryption key is not available" },
  IDENTITY_UNAVAILABLE: { status: 503, title: "Credentials cannot be checked now" },
} as const satisfies Record<string, { status: number; title: string }>;

/** One of the closed set of error codes. */
export type ErrorCode = keyof typeof ERRORS;

/** One place of an invalid input: `path` is dotted (`messages.0.payload`), empty for the whole body. */
export interface FieldError {
  path: string;
  message: string;
}

/**
 * The ids that a request was sent with, given or generated: after a lost answer or an error it can safely be repeated with them.
 * `messageIds` are those of a batch, in its order.
 */
export interface RequestIds {
  messageId?: string;
  messageIds?: readonly string[];
  taskId?: string;
  workflowId?: string;
  claimId?: string;
  idempotencyKey?: string;
}

/** What an error may carry beside its code and detail. */
export interface ErrorExtras {
  /** The invalid places, for INVALID_REQUEST and PAYLOAD_TOO_LARGE. */
  errors?: readonly FieldError[];
  /** Seconds after which a repeat may succeed; sent as Retry-After on 429 and 503. */
  retryAfterSeconds?: number;
  /** Methods that the path does accept, for METHOD_NOT_ALLOWED; sent as Allow. */
  allow?: readonly string[];
  /** What was wrong with the bearer token, for UNAUTHENTICATED; sent in WWW-Authenticate. Absent: there was none. */
  challenge?: "invalid_token";
  /** Of the request that failed; set by the client only. */
  ids?: RequestIds;
  /** What went wrong underneath, for logs only: it never reaches a caller. */
  cause?: unknown;
}

/**
 * The error every layer throws. `detail` is a sentence a person can act on and never holds a payload, secret or token.
 *
 * @example
 * throw new AgentCommunicationError("LEASE_LOST", "Message m-1 is at attempt 3, not 2.");
 */
export class AgentCommunicationError extends Error {
  readonly code: ErrorCode;
  readonly errors: readonly FieldError[] | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly allow: readonly string[] | undefined;
  readonly challenge: "invalid_token" | undefined;
  readonly ids: RequestIds | undefined;

  constructor(code: ErrorCode, detail: string, extras: ErrorExtras = {}) {
    super(detail, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.name = "AgentCommunicationError";
    this.code = code;
    this.errors = extras.errors;
    this.retryAfterSeconds = extras.retryAfterSeconds;
    this.allow = extras.allow;
    this.challenge = extras.challenge;
    this.ids = extras.ids;
  }

  /** The HTTP status of the code. */
  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** True when `error` is one of ours, optionally with that very code. */
export function isAgentCommunicationError(error: unknown, code?: ErrorCode): error is AgentCommunicationError {
  return error instanceof AgentCommunicationError && (code === undefined || error.code === code);
}
