import type { RegisterAgentInput } from "../lib/model/agent.ts";
import type { Clock } from "../lib/model/clock.ts";
import { isAgentCommunicationError } from "../lib/model/errors.ts";
import type { AgentClient } from "./agent-client.ts";
import type { ReplyOf } from "./route-types.ts";
import { checkTokenFile } from "./token-file.ts";

/**
 * How an agent comes by its token and keeps it: enrols with an enrolment key, and renews the token at two thirds of its life. A
 * renewal is kept in the file before it is shown, and the old token lives until then: a lost answer or a process that dies at any
 * moment leaves a token that is valid.
 */

/** The part of its life after which a token is renewed: the last third is for tries that fail. */
const RENEWAL_SHARE = 2 / 3;
/** Of the life, at most: agents that enrolled together do not renew together. */
const SPREAD_SHARE = 0.02;
/** Tries that fail are repeated after this share of the life, but after no more than RETRY_MAX_MILLISECONDS. */
const RETRY_SHARE = 0.02;
const RETRY_MAX_MILLISECONDS = 60_000;
/** A wrong time, or a life of a moment, must not become renewals without a pause. */
const SHORTEST_SLEEP_MILLISECONDS = 100;
/** How long to sleep at a time; longer timers than 24.8 days fire at once. */
const NAP_MILLISECONDS = 3_600_000;
/** What these say does not change by asking again. */
const FINAL = ["UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "METHOD_NOT_ALLOWED"] as const;

type OwnToken = ReplyOf<"GET /token">;

/** Milliseconds from one time to the other; undefined for a token that does not expire, or whose times are none. */
function lifeOf({ createdAt, expiresAt }: OwnToken): number | undefined {
  const life = Date.parse(expiresAt ?? "") - Date.parse(createdAt);
  return life > 0 ? life : undefined;
}

/** The same for every start of the agent, so that one that died before it kept its token gets another. */
function enrolmentRequest(agentId: string): string {
  return `enrol-${agentId}`;
}

export class TokenUpkeep {
  readonly #client: AgentClient;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  /** Milliseconds by which our clock was ahead of the service's when it made a token for us. */
  #ahead = 0;

  /** @param onError told what failed and is tried again; must not throw */
  constructor(client: AgentClient, onError: (error: unknown) => void) {
    this.#client = client;
    this.#clock = client.clock;
    this.#onError = onError;
  }

  /**
   * Registers the agent; where the client has an enrolment key and no token yet, the token that comes with it is kept first.
   *
   * @throws AgentCommunicationError, as registering; ID_TAKEN when the agent is there already and its token is not in the file
   * @throws Error when the file of the token cannot be written: nothing is lost, the next start gets another token
   */
  async register(agent: RegisterAgentInput, signal: AbortSignal): Promise<void> {
    const { ownToken } = this.#client;
    if (!(await ownToken.isEnrolmentKey())) {
      await this.#client.registerAgent(agent, { signal });
      return;
    }
    if (ownToken.file !== undefined) await checkTokenFile(ownToken.file, this.#client.newId());
    const idempotencyKey = enrolmentRequest(agent.agentId);
    const { token } = await this.#client.registerAgent(agent, { signal, idempotencyKey });
    if (token !== undefined) await ownToken.adopt(token);
  }

  /** Renews whenever it is time, until `signal` aborts, or for a token that is not renewed. Never rejects. */
  async keep(agentId: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const token = await this.#try(signal, () => this.#readOwn(signal));
      const life = token === undefined ? undefined : lifeOf(token);
      if (token === undefined || life === undefined) return;
      const taken = await this.#sleepUntilDue(Date.parse(token.createdAt), life, signal);
      if (signal.aborted) return;
      // Another process that shares the file has renewed: its token has its own time.
      if (taken) continue;
      const renewed = await this.#try(signal, () => this.#renew(agentId, signal), life);
      if (renewed === undefined) return;
    }
  }

  /** One renewal, if it is time. @returns whether there was one @throws what the client throws */
  async renewIfDue(): Promise<boolean> {
    const token = await this.#readOwn(undefined);
    const life = token === undefined ? undefined : lifeOf(token);
    if (token === undefined || token.kind !== "token" || life === undefined) return false;
    if (this.#clock.now() < Date.parse(token.createdAt) + life * RENEWAL_SHARE) return false;
    await this.#renew(token.agentId, undefined);
    return true;
  }

  async #readOwn(signal: AbortSignal | undefined): Promise<OwnToken | undefined> {
    if (!(await this.#client.ownToken.isRenewable())) return undefined;
    return this.#client.getOwnToken({ signal });
  }

  async #renew(agentId: string, signal: AbortSignal | undefined): Promise<true> {
    const { token, credential } = await this.#client.renewToken(agentId, { signal });
    this.#ahead = Math.max(0, this.#clock.now() - Date.parse(credential.createdAt)) || 0;
    await this.#client.ownToken.adopt(token);
    // Used at once, because the old one stays valid until then, also for a thief.
    await this.#client.getOwnToken({ signal }).catch((error: unknown) => {
      if (signal?.aborted !== true) this.#onError(error);
    });
    return true;
  }

  /**
   * Sleeps until two thirds of the life, and a little more. A clock that is behind that of the service makes it no later than two
   * thirds from now; one that is ahead makes the first renewal too early, and no other.
   *
   * @returns whether another process has put another token into the file meanwhile
   */
  async #sleepUntilDue(createdAt: number, life: number, signal: AbortSignal): Promise<boolean> {
    const start = this.#clock.now();
    const share = life * (RENEWAL_SHARE + SPREAD_SHARE * Math.random());
    const due = Math.max(Math.min(createdAt + this.#ahead, start) + share, start + SHORTEST_SLEEP_MILLISECONDS);
    while (!signal.aborted && this.#clock.now() < due) {
      await this.#clock.sleep(Math.min(NAP_MILLISECONDS, due - this.#clock.now()), signal);
      if (await this.#reloaded()) return true;
    }
    return this.#reloaded();
  }

  async #reloaded(): Promise<boolean> {
    try {
      return await this.#client.ownToken.reload();
    } catch (error) {
      this.#onError(error);
      return false;
    }
  }

  /** Until it succeeds, or fails for good. @returns undefined when it was given up */
  async #try<Result>(signal: AbortSignal, work: () => Promise<Result>, life?: number): Promise<Result | undefined> {
    const share = (life ?? Number.POSITIVE_INFINITY) * RETRY_SHARE;
    const pause = Math.max(SHORTEST_SLEEP_MILLISECONDS, Math.min(RETRY_MAX_MILLISECONDS, share));
    while (!signal.aborted) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted) return undefined;
        if (FINAL.some((code) => isAgentCommunicationError(error, code))) {
          // In mode none, and with certificates, there is no token to be renewed, and no word to be lost about it.
          if (isAgentCommunicationError(error, "UNAUTHENTICATED")) this.#onError(error);
          return undefined;
        }
        this.#onError(error);
        await this.#clock.sleep(pause, signal);
      }
    }
    return undefined;
  }
}
