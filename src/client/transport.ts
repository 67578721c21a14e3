import type { Clock } from "../lib/clock.ts";
import { AgentCommunicationError } from "../lib/errors.ts";
import { isTransient, parseRetryAfter, waitMilliseconds } from "./retry-policy.ts";

/** One request over fetch, repeated until it is answered or its budget ends. */

/** What `fetch` is asked for. */
export interface FetchRequest {
  method: string;
  headers: Headers;
  cache: "no-store";
  signal: AbortSignal;
  body?: string;
}

/** What is read of its answer; a `Response` is one. */
export interface FetchAnswer {
  status: number;
  ok: boolean;
  headers: { get(name: string): string | null };
  text(): Promise<string>;
}

/** What `fetch` must be able to do for us; the global one can. */
export type Fetch = (url: string, init: FetchRequest) => Promise<FetchAnswer>;

/** A request, complete: whatever has to be the same in every try is in here. */
export interface WireRequest {
  /** The route, for error texts. */
  key: string;
  method: string;
  url: string;
  headers: Headers;
  body: string | undefined;
  /** True when a repeat does nothing twice, so that a lost answer may be asked for again. */
  repeatable: boolean;
  /** How long one try may take before it counts as a lost connection. */
  tryMilliseconds: number;
  /** No try begins later than this after the first one began. */
  budgetMilliseconds: number;
  signal: AbortSignal | undefined;
}

export interface WireAnswer {
  status: number;
  ok: boolean;
  contentType: string;
  text: string;
  retryAfterSeconds: number | undefined;
}

/** A bound beside the budget, in case a clock stands still. */
const MAX_TRIES = 200;

type Outcome = { answer: WireAnswer } | { lost: unknown };

/** We never fail without a word, but the Functions host does: its worker died in the middle of the call. */
function lostItsWorker({ status, text }: WireAnswer): boolean {
  return status === 500 && text === "";
}

function mayRepeat(request: WireRequest, outcome: Outcome): boolean {
  if ("lost" in outcome || lostItsWorker(outcome.answer)) return request.repeatable;
  return isTransient(outcome.answer.status) && (request.repeatable || outcome.answer.status === 429);
}

/** fetch says "fetch failed" and keeps the reason (ECONNREFUSED …) in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause: unknown = error.cause;
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0]);
  return cause instanceof Error ? cause.message || cause.name : error.message;
}

function unreachable(request: WireRequest, lost: unknown): AgentCommunicationError {
  const { origin } = new URL(request.url);
  return new AgentCommunicationError(
    "STORE_UNAVAILABLE",
    `No answer from ${origin} to ${request.key}: ${reasonOf(lost)}.`,
    { cause: lost },
  );
}

/** True for the error of a request that no server answered, as opposed to one that a server refused with 503. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof AgentCommunicationError && error.code === "STORE_UNAVAILABLE" && error.cause !== undefined;
}

export class Transport {
  readonly #fetch: Fetch;
  readonly #clock: Clock;

  constructor(fetch: Fetch, clock: Clock) {
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /**
   * Sends until there is an answer that is not "try later", or the budget ends; then gives the last answer.
   *
   * @throws AgentCommunicationError STORE_UNAVAILABLE (see isUnreachable) when nothing answered
   * @throws the signal's reason when it aborts
   */
  async send(request: WireRequest): Promise<WireAnswer> {
    const lastStart = this.#clock.now() + request.budgetMilliseconds;
    for (let tries = 1; ; tries++) {
      request.signal?.throwIfAborted();
      const outcome = await this.#try(request);
      request.signal?.throwIfAborted();
      const retryAfter = "answer" in outcome ? outcome.answer.retryAfterSeconds : undefined;
      const wait = waitMilliseconds(tries, retryAfter, Math.random());
      const again = mayRepeat(request, outcome) && tries < MAX_TRIES && this.#clock.now() + wait <= lastStart;
      if (!again) {
        if ("answer" in outcome) return outcome.answer;
        throw unreachable(request, outcome.lost);
      }
      await this.#clock.sleep(wait, request.signal);
    }
  }

  /** One try; the whole answer is read inside, because a connection can also be lost in the middle of it. */
  async #try(request: WireRequest): Promise<Outcome> {
    const attempt = new AbortController();
    const forward = () => attempt.abort(request.signal?.reason);
    request.signal?.addEventListener("abort", forward, { once: true });
    const cancelTimeout = this.#clock.after(request.tryMilliseconds, () =>
      attempt.abort(new Error(`no answer within ${request.tryMilliseconds} ms`)),
    );
    try {
      const response = await this.#fetch(request.url, {
        method: request.method,
        headers: request.headers,
        cache: "no-store",
        signal: attempt.signal,
        ...(request.body === undefined ? {} : { body: request.body }),
      });
      const text = await response.text();
      const { status, ok, headers } = response;
      const retryAfterSeconds = parseRetryAfter(headers.get("retry-after"), this.#clock.now());
      return { answer: { status, ok, contentType: headers.get("content-type") ?? "", text, retryAfterSeconds } };
    } catch (error) {
      return { lost: error };
    } finally {
      cancelTimeout();
      request.signal?.removeEventListener("abort", forward);
    }
  }
}
