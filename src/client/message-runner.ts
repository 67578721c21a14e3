import { type Clock, stopwatch } from "../lib/model/clock.ts";
import type { LeasedMessage } from "../lib/model/message.ts";
import { onAbort } from "../lib/model/on-abort.ts";
import type { AgentClient } from "./agent-client.ts";
import { isLost, isRefused } from "./attempt-errors.ts";
import { guardSignal } from "./guarded-signal.ts";
import { errorText, HandlerAborted, isPermanent } from "./handler-errors.ts";
import { isUndecided, persist } from "./persist.ts";
import type { CallOptions } from "./route-caller.ts";
import { inSpan } from "./tracing.ts";

/** Handles one message. Returning completes it; throwing returns it, or dead-letters it after a PermanentError. */
export type MessageHandler = (message: LeasedMessage, context: MessageContext) => unknown;

/** What a handler may use while it handles a message. */
export interface MessageContext {
  /** Aborts when the lease was lost or the agent stops; see HandlerAborted. */
  signal: AbortSignal;
  /** W3C Trace Context of the work on this message, for calls of others; the client needs none where an SDK is registered. */
  traceparent: string | undefined;
}

/** Whose messages, and what handles them. */
export interface MessageRunnerOptions {
  client: AgentClient;
  agentId: string;
  handle: MessageHandler;
  /** How long a handler may go on after its lease was lost; then it takes no room any more. */
  lostHandlerMilliseconds: number;
  /** Must not throw. */
  onError(error: unknown, during: "message" | "abort listener"): void;
}

const LEASE_SECONDS = 30;
const HALF_A_LEASE_MILLISECONDS = (LEASE_SECONDS * 1_000) / 2;

type Outcome = "completed" | "returned" | "dead_lettered" | "lost";
type Handled = { thrown: unknown } | "returned" | "lost";

/** What happens to one message while it is here. */
interface Run {
  messageId: string;
  attempt: number;
  /** Whose signal the handler has. */
  controller: AbortController;
  /** Aborts when the lease is lost; on the handler's signal another cause may have come first. */
  lost: AbortController;
}

/** Runs a user's message handler, keeps its lease while it runs, and settles the message by how it ends. */
export class MessageRunner {
  readonly #options: MessageRunnerOptions;
  readonly #clock: Clock;
  readonly #running = new Map<Promise<void>, AbortController>();
  /** No settlement is tried again after this. */
  readonly #stopping = new AbortController();
  /** No handler is waited for, and no lease renewed, after this. */
  readonly #givenUp = new AbortController();

  constructor(options: MessageRunnerOptions) {
    this.#options = options;
    this.#clock = options.client.clock;
  }

  /** Messages whose handler has not ended. */
  get size(): number {
    return this.#running.size;
  }

  /** Begins to handle the message; never throws. */
  take(message: LeasedMessage): void {
    const { messageId, attempt } = message;
    const controller = new AbortController();
    guardSignal(controller.signal, (error) => this.#options.onError(error, "abort listener"));
    const run = { messageId, attempt, controller, lost: new AbortController() };
    const running = this.#traced(message, run).catch((error: unknown) => this.#options.onError(error, "message"));
    this.#running.set(running, controller);
    void running.then(() => this.#running.delete(running));
  }

  /** Resolves when no handler runs. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.keys());
  }

  /** Asks every handler to end. */
  abort(): void {
    this.#stopping.abort();
    for (const controller of this.#running.values()) controller.abort(new HandlerAborted("stopping"));
  }

  /**
   * Waits for no handler any longer: the leases of those that go on are not renewed, so that their messages come back, and nothing
   * of theirs keeps the process alive.
   */
  giveUp(): void {
    this.#givenUp.abort();
  }

  async #traced(message: LeasedMessage, run: Run): Promise<void> {
    const { type, messageId, attempt, traceparent } = message;
    const attributes = {
      "agent_communication.agent.id": this.#options.agentId,
      "agent_communication.message.id": messageId,
      "agent_communication.attempt": attempt,
    };
    const work = (own: string | undefined) => this.#run(message, run, own);
    await inSpan({ name: `message ${type}`, kind: "consumer", traceparent, attributes }, work, (outcome) => ({
      outcome,
      failed: outcome === "returned" || outcome === "dead_lettered",
    }));
  }

  async #run(message: LeasedMessage, run: Run, traceparent: string | undefined): Promise<Outcome> {
    const settled = new AbortController();
    const leased = stopwatch();
    const renewing = this.#renew(run, settled.signal, traceparent);
    const handled = await this.#handled(message, run, traceparent);
    settled.abort();
    const renewedAt = await renewing;
    if (run.lost.signal.aborted || handled === "lost") return "lost";
    const isOver = () => leased() - renewedAt > LEASE_SECONDS * 1_000;
    try {
      return await this.#settle(run, handled, isOver, { traceparent });
    } catch (error) {
      if (!isLost(error)) throw error;
      this.#options.onError(error, "message");
      return "lost";
    }
  }

  /** How the handler ended. One that goes on long after its lease was lost is not waited for. */
  #handled(message: LeasedMessage, run: Run, traceparent: string | undefined): Promise<Handled> {
    const { handle, lostHandlerMilliseconds } = this.#options;
    return new Promise((resolve) => {
      let cancel: () => void = () => undefined;
      const end = (handled: Handled) => {
        leave();
        leaveGivenUp();
        cancel();
        resolve(handled);
      };
      const leave = onAbort(run.lost.signal, () => {
        cancel = this.#clock.after(lostHandlerMilliseconds, () => end("lost"));
      });
      const leaveGivenUp = onAbort(this.#givenUp.signal, () => resolve("lost"));
      // A copy: what a handler does to its argument must not change what is settled.
      const work = async () => handle({ ...message }, { signal: run.controller.signal, traceparent });
      work().then(
        () => end("returned"),
        (thrown: unknown) => end({ thrown }),
      );
    });
  }

  /** Settles again and again until it is done, or the lease is over and the service refuses. */
  #settle(
    run: Run,
    handled: "returned" | { thrown: unknown },
    isOver: () => boolean,
    options: CallOptions,
  ): Promise<Outcome> {
    return persist(() => this.#settleOnce(run, handled, options), {
      clock: this.#clock,
      wake: this.#stopping.signal,
      isFinal: (error) =>
        isLost(error) || isRefused(error) || this.#stopping.signal.aborted || (isOver() && !isUndecided(error)),
      onFailure: (error) => this.#options.onError(error, "message"),
    });
  }

  async #settleOnce(
    { messageId, attempt }: Run,
    handled: "returned" | { thrown: unknown },
    options: CallOptions,
  ): Promise<Outcome> {
    const { client, agentId } = this.#options;
    const settlement = { agentId, attempt };
    if (handled === "returned") {
      await client.completeMessage(messageId, settlement, options);
      return "completed";
    }
    const reason = errorText(handled.thrown);
    if (isPermanent(handled.thrown)) {
      await client.deadLetterMessage(messageId, { ...settlement, reason }, options);
      return "dead_lettered";
    }
    await client.retryMessage(messageId, { ...settlement, reason }, options);
    return "returned";
  }

  /**
   * Renews at half the lease. When the service says that the lease is lost, the message belongs to another agent: the handler
   * is told. A service that cannot be reached gives the message to no other agent either, so that is tried again.
   *
   * @returns how many milliseconds after the first lease the latest one began
   */
  async #renew({ messageId, attempt, controller, lost }: Run, settled: AbortSignal, traceparent: string | undefined) {
    const { client, agentId, onError } = this.#options;
    const body = { agentId, attempt, leaseSeconds: LEASE_SECONDS };
    const leased = stopwatch();
    let renewedAt = 0;
    while (!settled.aborted) {
      await this.#clock.sleep(HALF_A_LEASE_MILLISECONDS, settled);
      if (settled.aborted) break;
      const askedAt = leased();
      try {
        const renew = () => client.renewMessage(messageId, body, { signal: settled, traceparent });
        await persist(renew, {
          clock: this.#clock,
          wake: settled,
          isFinal: (error) => settled.aborted || isLost(error) || isRefused(error),
          onFailure: (error) => onError(error, "message"),
        });
        renewedAt = askedAt;
      } catch (error) {
        if (settled.aborted) break;
        lost.abort();
        controller.abort(new HandlerAborted("lost"));
        onError(error, "message");
        break;
      }
    }
    return renewedAt;
  }
}
