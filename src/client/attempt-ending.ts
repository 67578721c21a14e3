import { isAgentCommunicationError } from "../lib/model/errors.ts";
import type { ModelUsage } from "../lib/model/usage.ts";
import type { AgentClient } from "./agent-client.ts";
import { isLost, isRefused } from "./attempt-errors.ts";
import type { AttemptUsage } from "./attempt-usage.ts";
import { errorText } from "./handler-errors.ts";
import { jsonResult, jsonSuspension } from "./json-result.ts";
import { persist } from "./persist.ts";
import type { CallOptions } from "./route-caller.ts";
import type { SuspendOptions } from "./task-suspension.ts";

/**
 * How an attempt ended, seen from the worker. `lost`: its work does not count. `unreported`: the worker stopped
 * before the service had its result.
 */
export type RunEnd =
  | { end: "completed" }
  /** It waits for an answer or a time, or was cancelled meanwhile. */
  | { end: "suspended" }
  | { end: "failed"; error: string; retryable: boolean }
  | { end: "lost" }
  | { end: "unreported"; error: unknown };

export interface AttemptEndingOptions {
  client: AgentClient;
  taskId: string;
  attempt: { agentId: string; attempt: number };
  usage: AttemptUsage;
  /** How long one call tries to deliver the result while the server does not answer; then comes the next call. */
  settleBudgetMilliseconds: number;
  /** The start or the result could not be reported; it is tried again. */
  onUnreported(error: unknown): void;
  /** Ends the call under way. */
  stopped: AbortSignal;
  /** Ends the wait between two calls. */
  wake: AbortSignal;
  isLost(): boolean;
  /** The worker stops: what is not delivered is tried once more. */
  isAbandoned(): boolean;
  traceparent(): string | undefined;
}

const FAILED_WITHOUT_WORDS = "the handler failed, and the service refused the text of its error";

/** Says how an attempt has ended, until the service has decided. */
export class AttemptEnding {
  readonly #options: AttemptEndingOptions;

  constructor(options: AttemptEndingOptions) {
    this.#options = options;
  }

  async suspend(suspension: SuspendOptions): Promise<RunEnd> {
    const { client, taskId, attempt } = this.#options;
    let asksAgents = false;
    try {
      const said = jsonSuspension(suspension);
      asksAgents = said?.until?.question?.askedOf !== undefined;
      const body = { ...attempt, ...said };
      await this.#end((usage, options) => client.suspendTask(taskId, { ...body, ...usage }, options));
      return { end: "suspended" };
    } catch (error) {
      // The same handler would ask the same again. (Whether it is this agent that is unknown, or one that is asked: failing tells.)
      const unknown = asksAgents && isAgentCommunicationError(error, "AGENT_NOT_FOUND");
      if (isRefused(error) || unknown) return this.fail(`the suspension was refused: ${errorText(error)}`, false);
      return this.#unsettled(error);
    }
  }

  async complete(returned: unknown): Promise<RunEnd> {
    const { client, taskId, attempt } = this.#options;
    try {
      // Anything else about it is checked by the service, which names what is wrong.
      const result = jsonResult(returned);
      const body = { ...attempt, ...(result === undefined ? {} : { result }) };
      await this.#end((usage, options) => client.completeTask(taskId, { ...body, ...usage }, options));
      return { end: "completed" };
    } catch (error) {
      // The same work would give the same result, so a retry would only fail again.
      if (isRefused(error)) return this.fail(`the result was refused: ${errorText(error)}`, false);
      return this.#unsettled(error);
    }
  }

  async fail(error: string, retryable: boolean): Promise<RunEnd> {
    const { client, taskId, attempt } = this.#options;
    try {
      const body = { ...attempt, error, retryable };
      await this.#end((usage, options) => client.failTask(taskId, { ...body, ...usage }, options));
      return { end: "failed", error, retryable };
    } catch (failure) {
      if (isRefused(failure) && error !== FAILED_WITHOUT_WORDS) return this.fail(FAILED_WITHOUT_WORDS, retryable);
      return this.#unsettled(failure);
    }
  }

  #unsettled(error: unknown): RunEnd {
    return isLost(error) || this.#options.isLost() ? { end: "lost" } : { end: "unreported", error };
  }

  /** Says how the attempt has ended, with its usage; a service that refuses that is told the end alone. */
  async #end<Reply>(call: (usage: { usage?: ModelUsage[] }, options: CallOptions) => Promise<Reply>): Promise<Reply> {
    const { usage } = this.#options;
    const rest = await usage.rest();
    try {
      return await this.persist((options) => call(rest, options));
    } catch (error) {
      if (rest.usage === undefined || !isRefused(error)) throw error;
      usage.drop(error);
      return await this.persist((options) => call({}, options));
    }
  }

  /** Says it until the service has decided, the attempt is lost, or the worker has stopped. */
  persist<Reply>(call: (options: CallOptions) => Promise<Reply>): Promise<Reply> {
    const { client, settleBudgetMilliseconds, stopped, wake, isAbandoned, traceparent, onUnreported } = this.#options;
    let last = false;
    const once = () => {
      // What a worker that stops has not delivered is tried once more.
      last = isAbandoned();
      return call({
        signal: stopped,
        retryBudgetMilliseconds: last ? 0 : settleBudgetMilliseconds,
        traceparent: traceparent(),
      });
    };
    return persist(once, {
      clock: client.clock,
      wake,
      isFinal: (error) => isLost(error) || isRefused(error) || this.#options.isLost() || stopped.aborted || last,
      onFailure: onUnreported,
    });
  }
}
