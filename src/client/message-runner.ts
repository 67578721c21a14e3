import type { LeasedMessage } from "../lib/messages/message.ts";
import type { AgentClient } from "./agent-client.ts";
import { errorText, HandlerAborted, PermanentError } from "./handler-errors.ts";
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
    const running = this.#traced(message, controller).catch(this.#onError);
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

  async #traced(message: LeasedMessage, controller: AbortController): Promise<void> {
    const { type, messageId, attempt, traceparent } = message;
    const attributes = {
      "agent_communication.agent.id": this.#agentId,
      "agent_communication.message.id": messageId,
      "agent_communication.attempt": attempt,
    };
    const work = (own: string | undefined) => this.#run(message, controller, own);
    await inSpan({ name: `message ${type}`, kind: "consumer", traceparent, attributes }, work, (outcome) => ({
      outcome,
      failed: outcome === "returned" || outcome === "dead_lettered",
    }));
  }

  async #run(
    message: LeasedMessage,
    controller: AbortController,
    traceparent: string | undefined,
  ): Promise<"completed" | "returned" | "dead_lettered" | "lost"> {
    const settled = new AbortController();
    const renewing = this.#renew(message, controller, settled.signal);
    const failure = await this.#outcome(message, { signal: controller.signal, traceparent });
    settled.abort();
    await renewing;
    if (isLost(controller.signal)) return "lost";
    const settlement = { agentId: this.#agentId, attempt: message.attempt };
    if (failure === undefined) {
      await this.#client.completeMessage(message.messageId, settlement, { traceparent });
      return "completed";
    }
    const reason = errorText(failure.error);
    if (failure.error instanceof PermanentError) {
      await this.#client.deadLetterMessage(message.messageId, { ...settlement, reason }, { traceparent });
      return "dead_lettered";
    }
    await this.#client.retryMessage(message.messageId, { ...settlement, reason }, { traceparent });
    return "returned";
  }

  async #outcome(message: LeasedMessage, context: MessageContext): Promise<{ error: unknown } | undefined> {
    try {
      await this.#handle(message, context);
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
