import type { HeartbeatReply, RegisterAgentInput } from "../lib/model/agent.ts";
import { type Clock, stopwatch } from "../lib/model/clock.ts";
import { isAgentCommunicationError } from "../lib/model/errors.ts";
import type { LeasedMessage } from "../lib/model/message.ts";
import type { AgentClient } from "./agent-client.ts";
import { LONGEST_SILENCE_MILLISECONDS, waitMilliseconds } from "./retry-policy.ts";
import { TokenUpkeep } from "./token-upkeep.ts";
import { checkedHeartbeat, checkedMessages } from "./wire-shapes.ts";

/** What a session asks of, and tells, the Worker or Supervisor that it belongs to. */
export interface SessionHooks {
  /** What the next receive may ask for. */
  wanted(): { maxMessages: number; types?: string[] };
  /** Takes the message over. */
  onMessage(message: LeasedMessage): void;
  /** `askedAt`: the session's `elapsed` at which the heartbeat was sent. */
  onHeartbeat?(reply: HeartbeatReply, askedAt: number): void;
  /** All that was leased or assigned before is lost; the session registers again by itself. */
  onDeregistered?(): void;
  /** The service goes on saying that the credential is not valid: the session has nothing more to do. Must not throw. */
  onRefused?(error: unknown): void;
  /** A call failed for now; the session goes on. Must not throw. */
  onError(error: unknown, during: "register" | "heartbeat" | "receive" | "token"): void;
}

/** How a Worker or Supervisor registers, by its options. */
export function registrationOf(
  role: "worker" | "supervisor",
  options: Omit<RegisterAgentInput, "role" | "status">,
): RegisterAgentInput {
  const { agentId, capabilities = [], maxConcurrentTasks = 1, heartbeatTimeoutSeconds, metadata } = options;
  return { agentId, role, capabilities, maxConcurrentTasks, heartbeatTimeoutSeconds, metadata };
}

const LONG_POLL_SECONDS = 20;
/** While draining, so that the end of the drain is never far. */
const SHORT_POLL_SECONDS = 0.2;
/** An empty answer to a long poll that comes sooner than this is not the end of its wait. */
const EARLY_MILLISECONDS = 500;
/** The same of a short poll. */
const EARLY_OF_SHORT_MILLISECONDS = 100;
/** Long enough for a slow start of a handler, short enough that another process soon gets what a crash left. */
const LEASE_SECONDS = 30;
/**
 * A credential is refused for good when nothing but 401 has been answered so many times, for so long: a service may use for 5 s
 * what it read of it, and a token that is being renewed may be shown once after it has ended.
 */
const REFUSALS_FOR_GOOD = 3;
const REFUSED_FOR_GOOD_MILLISECONDS = 6_000;
/** A heartbeat is repeated for as long as the next one is away, and this long at least: a try takes a third of it. */
const SHORTEST_BEAT_BUDGET_MILLISECONDS = 3_000;

/**
 * Keeps one agent present: registers it, sends heartbeats at the interval that the server says, and receives its
 * messages, until stopped. What fails is tried again with backoff for as long as it takes; an agent that was
 * deregistered meanwhile registers again.
 */
export class AgentSession {
  readonly #client: AgentClient;
  readonly #clock: Clock;
  readonly #agent: RegisterAgentInput;
  readonly #hooks: SessionHooks;
  readonly #tokens: TokenUpkeep;
  readonly #stop = new AbortController();
  /** Ends the long poll under way when draining begins. */
  #poll = new AbortController();
  #draining = false;
  /** Monotonic milliseconds: the machine's clock may be set while a worker runs. */
  readonly elapsed = stopwatch();
  #intervalMilliseconds = 30_000;
  #registration = 0;
  #registering: Promise<void> | undefined;
  #loops: Promise<unknown> = Promise.resolve();
  /** Of the credential, since it was last taken. */
  #refusals = 0;
  #refusedSince = 0;

  constructor(client: AgentClient, agent: RegisterAgentInput, hooks: SessionHooks) {
    this.#client = client;
    this.#clock = client.clock;
    this.#agent = agent;
    this.#hooks = hooks;
    this.#tokens = new TokenUpkeep(client, (error) => hooks.onError(error, "token"));
  }

  /** Registers and beats once, then goes on by itself. @throws what the client throws when that is refused */
  async start(): Promise<HeartbeatReply> {
    const { signal } = this.#stop;
    await this.#tokens.register(this.#agent, signal);
    const reply = await this.beat();
    this.#loops = Promise.all([this.#beatLoop(), this.#receiveLoop(), this.#tokens.keep(this.#agent.agentId, signal)]);
    return reply;
  }

  /** One heartbeat now. */
  async beat(): Promise<HeartbeatReply> {
    const askedAt = this.elapsed();
    const body = this.#draining ? { status: "draining" as const } : {};
    const beaten = await this.#client.heartbeat(this.#agent.agentId, body, {
      signal: this.#stop.signal,
      retryBudgetMilliseconds: Math.max(this.#intervalMilliseconds, SHORTEST_BEAT_BUDGET_MILLISECONDS),
    });
    this.#refusals = 0;
    const reply = checkedHeartbeat(beaten);
    this.#intervalMilliseconds = reply.heartbeatIntervalSeconds * 1_000;
    this.#hooks.onHeartbeat?.(reply, askedAt);
    return reply;
  }

  /** Takes no new work from now on; what is assigned already still arrives. */
  drain(): void {
    this.#draining = true;
    this.#poll.abort();
  }

  /** Ends both loops. What is leased and not settled comes back to the mailbox when its lease ends. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#poll.abort();
    await this.#loops;
  }

  async #beatLoop(): Promise<void> {
    let failures = 0;
    let wait = this.#intervalMilliseconds;
    while (!this.#stop.signal.aborted) {
      await this.#clock.sleep(wait, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      const registration = this.#registration;
      try {
        await this.beat();
        failures = 0;
        wait = this.#intervalMilliseconds;
      } catch (error) {
        failures++;
        wait = this.#backoff(failures, error);
        await this.#recover(error, "heartbeat", registration);
      }
    }
  }

  async #receiveLoop(): Promise<void> {
    let failures = 0;
    // Kept until it is answered, so that a receive that was broken off loses no lease.
    let claimId = this.#client.newId();
    while (!this.#stop.signal.aborted) {
      const registration = this.#registration;
      this.#poll = new AbortController();
      const taken = stopwatch();
      try {
        const reply = await this.#client.receiveMessages(
          this.#agent.agentId,
          {
            ...this.#hooks.wanted(),
            claimId,
            leaseSeconds: LEASE_SECONDS,
            waitSeconds: this.#draining ? SHORT_POLL_SECONDS : LONG_POLL_SECONDS,
          },
          { signal: this.#poll.signal },
        );
        this.#refusals = 0;
        const messages = checkedMessages(reply);
        claimId = this.#client.newId();
        failures = 0;
        for (const message of messages) this.#handOver(message);
        // A host that is stopping ends its long polls at once: do not ask it again and again until it is gone.
        const pause = this.#draining ? EARLY_OF_SHORT_MILLISECONDS : EARLY_MILLISECONDS;
        if (messages.length === 0 && taken() < pause) await this.#clock.sleep(pause, this.#poll.signal);
      } catch (error) {
        if (this.#poll.signal.aborted) continue;
        failures++;
        await this.#recover(error, "receive", registration);
        await this.#clock.sleep(this.#backoff(failures, error), this.#stop.signal);
      }
    }
  }

  /** One message that cannot be taken over must not take the others of its receive along. */
  #handOver(message: LeasedMessage): void {
    try {
      this.#hooks.onMessage(message);
    } catch (error) {
      this.#hooks.onError(error, "receive");
    }
  }

  /** Not longer than until the next heartbeat, unless the service asks for it. */
  #backoff(failures: number, error: unknown): number {
    const own = Math.min(this.#intervalMilliseconds, waitMilliseconds(failures, undefined, Math.random()));
    const asked = isAgentCommunicationError(error) ? (error.retryAfterSeconds ?? 0) * 1_000 : 0;
    return Math.max(own, Math.min(asked, LONGEST_SILENCE_MILLISECONDS));
  }

  /** @param registration the one that the failed call was made under: if there is a newer one, nothing is to be done */
  async #recover(error: unknown, during: "heartbeat" | "receive", registration: number): Promise<void> {
    if (this.#stop.signal.aborted) return;
    if (isAgentCommunicationError(error, "UNAUTHENTICATED") && this.#isForGood()) {
      // Asking on would only count as further wrong credentials of this address.
      this.#stop.abort();
      this.#poll.abort();
      this.#hooks.onRefused?.(error);
      return;
    }
    const gone =
      isAgentCommunicationError(error, "AGENT_DEREGISTERED") || isAgentCommunicationError(error, "AGENT_NOT_FOUND");
    if (!gone) {
      this.#hooks.onError(error, during);
      return;
    }
    // An agent that is on its way out does not come back by itself.
    if (this.#draining || registration !== this.#registration) return;
    this.#registering ??= this.#registerAgain().finally(() => {
      this.#registering = undefined;
    });
    await this.#registering;
  }

  #isForGood(): boolean {
    if (this.#refusals === 0) this.#refusedSince = this.elapsed();
    this.#refusals += 1;
    return this.#refusals >= REFUSALS_FOR_GOOD && this.elapsed() - this.#refusedSince >= REFUSED_FOR_GOOD_MILLISECONDS;
  }

  async #registerAgain(): Promise<void> {
    this.#hooks.onDeregistered?.();
    try {
      await this.#client.registerAgent(this.#agent, { signal: this.#stop.signal });
      this.#registration++;
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#hooks.onError(error, "register");
    }
  }
}
