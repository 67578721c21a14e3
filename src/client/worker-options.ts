import type { AgentClient } from "./agent-client.ts";
import type { MessageHandler } from "./message-runner.ts";
import type { QuestionHandler } from "./question-answering.ts";
import type { TaskHandler } from "./task-context.ts";

/** What a worker is made of. */
export interface WorkerOptions {
  client: AgentClient;
  agentId: string;
  capabilities?: string[] | undefined;
  /** Tasks at the same time, 0–10,000; with 0 it is given none. Default 1. */
  maxConcurrentTasks?: number | undefined;
  /**
   * How long the service waits for a sign of life before the agent is inactive and its tasks go to others: 10 to 86,400 seconds.
   * The agent beats three times in it, by itself. Default: the setting of the service.
   */
  heartbeatTimeoutSeconds?: number | undefined;
  metadata?: Record<string, string | number | boolean | null> | undefined;
  /** Works on a task. */
  handle: TaskHandler;
  /** Handles every other message, questions where `onQuestion` has them aside; without it they stay in the mailbox. */
  onMessage?: MessageHandler | undefined;
  /**
   * Answers questions that other agents' tasks ask of this one (`askedOf`), as `onQuestion` of a Supervisor does: what it returns is the
   * answer, undefined leaves the question open. What it throws comes as an `error` event with `during: "question"`, and the question again.
   *
   * @example
   * onQuestion: ({ options }) => (options?.includes("merge") ? "merge" : undefined)
   */
  onQuestion?: QuestionHandler | undefined;
  /** Other messages at the same time. Default 10. */
  maxConcurrentMessages?: number | undefined;
  /**
   * Told everything worth a line in a log. What it throws, or rejects with, comes back as an `error` event with `during:
   * "event"`; what it throws on that is dropped.
   */
  onEvent?: ((event: WorkerEvent) => unknown) | undefined;
  /**
   * How long to try to deliver a result before `task_unreported` tells that it is still here. It is tried again until it is
   * delivered or the attempt is lost. Default 300,000.
   */
  settleBudgetMilliseconds?: number | undefined;
  /**
   * How long a handler may go on after its attempt (or the lease of its message) was lost. Then its slot is given to other
   * work, although it has not ended. Default 30,000.
   */
  lostHandlerMilliseconds?: number | undefined;
}

/**
 * What happened in a worker. `task_lost`: the attempt timed out or was given to another worker. `task_unreported`: its
 * start or result could not be delivered so far; it is kept and tried again, until another event of this attempt says how
 * that ended, or the worker has stopped.
 */
export type WorkerEvent =
  | { type: "registered" | "deregistered" | "draining" | "stopped" }
  | {
      type: "task_started" | "task_completed" | "task_suspended" | "task_lost" | "task_cancel_requested";
      taskId: string;
      attempt: number;
    }
  | { type: "task_failed"; taskId: string; attempt: number; error: string; retryable: boolean }
  | { type: "task_unreported"; taskId: string; attempt: number; error: unknown }
  /** The service goes on refusing the credential (401): the worker stops by itself, and `stopped` follows. */
  | { type: "credential_refused"; error: unknown }
  | { type: "log"; taskId: string; line: string }
  | { type: "error"; during: string; error: unknown };

/** How a worker stops. */
export interface StopOptions {
  /** How long running handlers may go on. Default 30,000. */
  graceMilliseconds?: number | undefined;
  /** Also deregister: gives back what is left without using a retry, and dead-letters what waits in the mailbox. */
  deregister?: boolean | undefined;
}
