import { type Clock, stopwatch } from "../lib/model/clock.ts";
import type { AgentCommunicationError } from "../lib/model/errors.ts";
import { onAbort } from "../lib/model/on-abort.ts";
import { boundedText, TooLong } from "./bounded-text.ts";
import type { Fetch } from "./fetch-types.ts";
import { errorText, isOurs } from "./handler-errors.ts";
import { isTransient, parseRetryAfter, waitMilliseconds } from "./retry-policy.ts";
import { isRefused, redirectError, redirectOf, tokenNotHad, tooLongError, unreachable } from "./transport-errors.ts";
import { untilAborted } from "./until-aborted.ts";

/** One request over fetch, repeated until it is answered or its budget ends. */

export type { Fetch, FetchAnswer, FetchRequest } from "./fetch-types.ts";
export { isUnreachable } from "./transport-errors.ts";

/** A request, complete: whatever has to be the same in every try is in here. */
export interface WireRequest {
  /** The route, for error texts. */
  key: string;
  method: string;
  url: string;
  /** All but the token. */
  headers: Headers;
  /** Asked for each try: a budget of minutes may outlive a token. */
  token(): Promise<string | undefined>;
  body: string | undefined;
  /** True when a repeat does nothing twice, so that a lost answer may be asked for again. */
  repeatable: boolean;
  /** How long one try may take, the token included, before it counts as a lost connection. */
  tryMilliseconds: number;
  /** No try begins later than this after the first one began. */
  budgetMilliseconds: number;
  /** Instead of the budget, where nothing listens at the address. */
  refusedBudgetMilliseconds: number;
  /** Instead of the budget, where the service says that the caller asks too much (429). */
  throttledBudgetMilliseconds: number;
  /** Told before each wait that the service has asked for; must not throw. */
  onWait: ((wait: AskedWait) => void) | undefined;
  signal: AbortSignal | undefined;
}

/** A wait that the service has asked for by Retry-After, before the request is tried again. */
export interface AskedWait {
  /** 429 or 503. */
  status: number;
  milliseconds: number;
}

export interface WireAnswer {
  status: number;
  ok: boolean;
  contentType: string;
  text: string;
  retryAfterSeconds: number | undefined;
}

/** A bound in addition to the budget, in case no time passes. */
const MAX_TRIES = 200;

/** `lost`: it may have arrived. `unsent`: no token, so it was not sent. `final`: no use to try again. */
type Outcome = { answer: WireAnswer } | { lost: unknown } | { unsent: Error } | { final: AgentCommunicationError };

/** We never fail without a word, but the Functions host does: its worker died in the middle of the call. */
function lostItsWorker({ status, text }: WireAnswer): boolean {
  return status === 500 && text === "";
}

function mayRepeat(request: WireRequest, outcome: Outcome): boolean {
  if ("final" in outcome) return false;
  if ("unsent" in outcome) return true;
  if ("lost" in outcome || lostItsWorker(outcome.answer)) return request.repeatable;
  return isTransient(outcome.answer.status) && (request.repeatable || outcome.answer.status === 429);
}

function budgetOf(request: WireRequest, outcome: Outcome): number {
  const { budgetMilliseconds, refusedBudgetMilliseconds, throttledBudgetMilliseconds } = request;
  if ("answer" in outcome && outcome.answer.status === 429) return throttledBudgetMilliseconds;
  const refused = "lost" in outcome && isRefused(outcome.lost);
  return refused ? Math.min(budgetMilliseconds, refusedBudgetMilliseconds) : budgetMilliseconds;
}

function conclude({ key, url }: WireRequest, outcome: Outcome): WireAnswer {
  if ("answer" in outcome) return outcome.answer;
  if ("final" in outcome) throw outcome.final;
  if ("unsent" in outcome) throw tokenNotHad(key, outcome.unsent);
  throw unreachable(key, url, outcome.lost);
}

/** A provider's own AgentCommunicationError is final when asking again is pointless. */
function withoutToken(error: unknown): Outcome {
  if (!isOurs(error)) return { unsent: new Error(errorText(error), { cause: error }) };
  return isTransient(error.status) ? { unsent: error } : { final: error };
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
   * @throws AgentCommunicationError STORE_UNAVAILABLE (see isUnreachable) when nothing answered, or only with a redirect or without an end;
   *   IDENTITY_UNAVAILABLE when no token could be had
   * @throws the signal's reason when it aborts
   */
  async send(request: WireRequest): Promise<WireAnswer> {
    // Added up from waits and measured tries: the machine's clock may be set back or forward meanwhile.
    let spent = 0;
    for (let tries = 1; ; tries++) {
      request.signal?.throwIfAborted();
      const taken = stopwatch();
      const outcome = await this.#try(request);
      spent += taken();
      request.signal?.throwIfAborted();
      const retryAfter = "answer" in outcome ? outcome.answer.retryAfterSeconds : undefined;
      const wait = waitMilliseconds(tries, retryAfter, Math.random());
      spent += wait;
      const again = mayRepeat(request, outcome) && tries < MAX_TRIES && spent <= budgetOf(request, outcome);
      if (!again) return conclude(request, outcome);
      if (retryAfter !== undefined && "answer" in outcome) {
        request.onWait?.({ status: outcome.answer.status, milliseconds: wait });
      }
      await this.#clock.sleep(wait, request.signal);
    }
  }

  /** One try. It ends when its time is over or the caller's signal aborts, even if fetch ignores its signal. */
  async #try(request: WireRequest): Promise<Outcome> {
    const attempt = new AbortController();
    const stopForwarding = request.signal && onAbort(request.signal, () => attempt.abort(request.signal?.reason));
    const late = `no answer within ${Math.round(request.tryMilliseconds)} ms`;
    const cancelTimeout = this.#clock.after(request.tryMilliseconds, () => attempt.abort(new Error(late)));
    let sent = false;
    let answered = false;
    try {
      const token = await untilAborted(attempt.signal, request.token());
      sent = true;
      const outcome = await untilAborted(attempt.signal, this.#exchange(request, token, attempt.signal));
      answered = "answer" in outcome;
      return outcome;
    } catch (error) {
      if (error instanceof TooLong) return { final: tooLongError(request.key, request.url, error) };
      return sent ? { lost: error } : withoutToken(error);
    } finally {
      cancelTimeout();
      stopForwarding?.();
      // The rest of an answer that is not read, such as a redirect's, must not keep its connection open.
      if (!answered) attempt.abort();
    }
  }

  /** The whole answer is read inside the try, because a connection can also be lost in the middle of it. */
  async #exchange(request: WireRequest, token: string | undefined, signal: AbortSignal): Promise<Outcome> {
    const own = new Headers(request.headers);
    if (token !== undefined) own.set("authorization", `Bearer ${token}`);
    const response = await this.#fetch(request.url, {
      method: request.method,
      headers: own,
      cache: "no-store",
      redirect: "manual",
      signal,
      ...(request.body === undefined ? {} : { body: request.body }),
    });
    const redirect = redirectOf(response, request.url);
    if (redirect !== undefined) return { final: redirectError(request.key, request.url, redirect) };
    const text = await boundedText(response);
    const { status, ok, headers } = response;
    const retryAfterSeconds = parseRetryAfter(headers.get("retry-after"), headers.get("date"), this.#clock.now());
    return { answer: { status, ok, contentType: headers.get("content-type") ?? "", text, retryAfterSeconds } };
  }
}
