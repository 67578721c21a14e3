import type { LeasedMessage } from "../lib/messages/message.ts";
import type { AgentClient } from "./agent-client.ts";
import { errorText, HandlerAborted, PermanentError } from "./handler-errors.ts";

/** Handles one message. Returning completes it; throwing returns it, or dead-letters it after a PermanentError. */
export type MessageHandler = (message: LeasedMessage, context: { signal: AbortSignal }) => unknown;

const LEASE_SECONDS = 30;

/** Runs a user's message handler, keeps its lease while it runs, and settles the message by how it ends. */
export class MessageRunner {
  readonly #client: AgentClient;
  readonly #agentId: string;
  readonly #handle: MessageHandler;
  readonly #onError: (error: unknown) => void;
  readonly #running = new Map<Promise<void>, AbortController>();

  constructor(client: AgentClient, agentId: string, handle: MessageHandler, onError: (error: unknown) => void) {
    this.#client = client;
    this.#agentId = agentId;
    this.#handle = handle;
    this.#onError = onError;
  }

  /** Messages whose handler has not ended. */
  get size(): number {
    return this.#running.size;
  }

  /** Begins to handle the message; never throws. */
  take(message: LeasedMessage): void {
    const controller = new AbortController();
    const running = this.#run(message, controller).catch(this.#onError);
    this.#running.set(running, controller);
    void running.then(() => this.#running.delete(running));
  }

  /** Resolves when no handler runs. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.keys());
  }

  /** Asks every handler to end. */
  abort(): void {
    for (const controller of this.#running.values()) controller.abort(new HandlerAborted("stopping"));
  }

  async #run(message: LeasedMessage, controller: AbortController): Promise<void> {
    const settled = new AbortController();
    const renewing = this.#renew(message, controller, settled.signal);
    const failure = await this.#outcome(message, controller.signal);
    settled.abort();
    await renewing;
    if (isLost(controller.signal)) return;
    const settlement = { agentId: this.#agentId, attempt: message.attempt };
    if (failure === undefined) {
      await this.#client.completeMessage(message.messageId, settlement);
    } else if (failure.error instanceof PermanentError) {
      const reason = errorText(failure.error);
      await this.#client.deadLetterMessage(message.messageId, { ...settlement, reason });
    } else {
      await this.#client.retryMessage(message.messageId, { ...settlement, reason: errorText(failure.error) });
    }
  }

  async #outcome(message: LeasedMessage, signal: AbortSignal): Promise<{ error: unknown } | undefined> {
    try {
      await this.#handle(message, { signal });
      return undefined;
    } catch (error) {
      return { error };
    }
  }

  /** Renews at half the lease. When that is refused the message belongs to somebody else: the handler is told. */
  async #renew(message: LeasedMessage, controller: AbortController, settled: AbortSignal): Promise<void> {
    const { clock } = this.#client;
    const body = { agentId: this.#agentId, attempt: message.attempt, leaseSeconds: LEASE_SECONDS };
    while (!settled.aborted) {
      await clock.sleep((LEASE_SECONDS * 1_000) / 2, settled);
      if (settled.aborted) return;
      try {
        await this.#client.renewMessage(message.messageId, body, { signal: settled });
      } catch (error) {
        if (settled.aborted) return;
        controller.abort(new HandlerAborted("lost"));
        this.#onError(error);
        return;
      }
    }
  }
}

function isLost(signal: AbortSignal): boolean {
  return signal.reason instanceof HandlerAborted && signal.reason.why === "lost";
}
