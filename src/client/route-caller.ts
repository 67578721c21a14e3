import { v7 } from "uuid";
import { type Clock, systemClock } from "../lib/model/clock.ts";
import { AgentCommunicationError, type FieldError, type RequestIds } from "../lib/model/errors.ts";
import { lossesOf } from "../lib/model/json-losses.ts";
import { OWN_MILLISECONDS } from "../lib/model/operations.ts";
import { tokenToSend } from "./bearer-token.ts";
import { ClientToken, type TokenOption } from "./client-token.ts";
import type { Fetch } from "./fetch-types.ts";
import { isOurs } from "./handler-errors.ts";
import { problemToError, withRequestIdsOf } from "./problem.ts";
import { adviceOn, needsIdempotencyKey, requestIdsOf, withRequestIds } from "./request-ids.ts";
import { isAnswerInItself, isRepeatable } from "./retry-policy.ts";
import type { InputOf, ReplyOf, RouteKey } from "./route-types.ts";
import { traceparentToSend } from "./tracing.ts";
import { type AskedWait, Transport, type WireAnswer, type WireRequest } from "./transport.ts";
import { isUnreachable } from "./transport-errors.ts";

/** How a client reaches its switchboard. */
export interface AgentClientOptions {
  /** With the `/api`: `http://127.0.0.1:7071/api`. */
  baseUrl: string;
  /**
   * Sent as a bearer token: an agent's, or an enrolment key, with which a Worker or Supervisor enrols by itself. A function is asked
   * for every try; what it gives it renews itself, and while it fails, calls are tried again as if the connection were lost.
   */
  token?: TokenOption;
  /**
   * Path of the file in which the token is kept (Node only). What is in it comes before `token`; a token that came by an enrolment
   * key, and every renewal, is written there (0600, at once). Processes that are one agent may share it.
   */
  tokenFile?: string | undefined;
  /** Sent as X-Agent-Id, for a token that is not that of one agent: which of its agents calls (Entra ID). */
  agentId?: string | undefined;
  /** Instead of the global fetch. */
  fetch?: Fetch | undefined;
  clock?: Clock | undefined;
  /** How long after the first try another one may begin; 0: never repeat. Default 30,000. */
  retryBudgetMilliseconds?: number | undefined;
  /** Instead of the budget, where nothing listens at the address. Default: the budget. */
  refusedBudgetMilliseconds?: number | undefined;
  /** Instead of the budget, where the service says that the caller asks too much (429). Default: the budget. */
  throttledBudgetMilliseconds?: number | undefined;
  /** Told before each wait that the service has asked for by Retry-After, for a person who waits. Must not throw. */
  onWait?: ((wait: AskedWait) => void) | undefined;
  /**
   * How long one try may take, in addition to the wait of a long poll. Default 30,000. A try that may be repeated takes at most a
   * third of the retry budget: on a connection that is dead without saying so, that leaves time for two more.
   */
  requestTimeoutMilliseconds?: number | undefined;
}

/** What any single call may set. */
export interface CallOptions {
  /** Ends the call, waits and repeats included; it then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** For sends and assignments, instead of an id in the body; for a registration with an enrolment key. */
  idempotencyKey?: string | undefined;
  /** Instead of the client's own. */
  retryBudgetMilliseconds?: number | undefined;
  /** W3C Trace Context to send; without it that of OpenTelemetry's active span, if there is one. */
  traceparent?: string | undefined;
}

const DEFAULT_BUDGET_MILLISECONDS = 30_000;
const DEFAULT_TRY_MILLISECONDS = 30_000;
const UNAUTHENTICATED_STATUS = 401;
const TRIES_PER_BUDGET = 3;

/** The parts of a call without their types: `InputOf` has checked them where the call was written. */
export interface LooseInput {
  params?: Readonly<Record<string, unknown>> | undefined;
  query?: Readonly<Record<string, unknown>> | undefined;
  body?: unknown;
}

function fillPath(key: string, params: LooseInput["params"]): { method: string; path: string } {
  const [method = "", template = ""] = key.split(" ", 2);
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = params?.[name];
    // "." and ".." would be resolved away by the URL parser and reach another route.
    if (typeof value !== "string" || value === "" || value === "." || value === "..") {
      throw new AgentCommunicationError("INVALID_REQUEST", `${name}: must be an id to be part of the path of ${key}.`);
    }
    return encodeURIComponent(value);
  });
  return { method, path };
}

function addQuery(url: URL, query: LooseInput["query"]): void {
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) url.searchParams.append(name, String(value));
  }
}

/** What may not stand in a header is not shown: it may be a secret that was mistaken for something else. */
function setHeader(headers: Headers, name: string, value: string): void {
  try {
    headers.set(name, value);
  } catch {
    throw new AgentCommunicationError(
      "INVALID_REQUEST",
      `${name}: contains characters that are not allowed in a header.`,
    );
  }
}

/** The body as JSON. @throws INVALID_REQUEST naming what JSON would change, or when it cannot be written at all */
function toJson(body: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(body ?? {});
  } catch (cause) {
    refuseLosses(body);
    throw new AgentCommunicationError("INVALID_REQUEST", "The body cannot be written as JSON.", { cause });
  }
  refuseLosses(body);
  return text;
}

function refuseLosses(body: unknown): void {
  let errors: readonly FieldError[];
  try {
    errors = lossesOf(body);
  } catch {
    // A getter or a proxy of the caller's that throws when it is looked at again: what could be written was written.
    return;
  }
  if (errors.length === 0) return;
  const detail = `The body is invalid: ${errors[0]?.path} ${errors[0]?.message}`;
  throw new AgentCommunicationError("INVALID_REQUEST", detail, { errors });
}

/** What a route may take beside the time of any request: a long poll its wait, maintenance its budget. */
function patienceOf(key: RouteKey, { body, query }: LooseInput): number {
  const own = OWN_MILLISECONDS[key] ?? 0;
  const asked = query ?? body;
  if (typeof asked !== "object" || asked === null || !("waitSeconds" in asked)) return own;
  return typeof asked.waitSeconds === "number" ? own + asked.waitSeconds * 1_000 : own;
}

/** Calls any route by its name; AgentClient has a method for each. */
export class RouteCaller {
  readonly clock: Clock;
  readonly #options: AgentClientOptions;
  readonly #baseUrl: string;
  readonly #transport: Transport;
  /** What it shows of itself. */
  readonly ownToken: ClientToken;

  /** @throws AgentCommunicationError INVALID_REQUEST when `baseUrl` is no http(s) URL */
  constructor(options: AgentClientOptions) {
    const base = URL.canParse(options.baseUrl) ? new URL(options.baseUrl) : undefined;
    if (base === undefined || !/^https?:$/.test(base.protocol)) {
      throw new AgentCommunicationError("INVALID_REQUEST", "baseUrl: must be an http or https URL, with its /api.");
    }
    this.#options = options;
    this.#baseUrl = `${base.origin}${base.pathname.replace(/\/+$/, "")}`;
    this.clock = options.clock ?? systemClock;
    this.ownToken = new ClientToken(options.token, options.tokenFile, () => this.newId());
    this.#transport = new Transport(options.fetch ?? ((url, init) => fetch(url, init)), this.clock);
  }

  /** A new id, a UUIDv7. */
  newId(): string {
    return v7({ msecs: this.clock.now() });
  }

  /**
   * Calls the route `key`. What its types do not allow does not compile.
   *
   * Waits and repeats on 429, 503 and lost connections, with jitter, honouring Retry-After, within the retry budget;
   * the ids that make this harmless are added to the body when it has none.
   *
   * @throws AgentCommunicationError with the code of the problem document; STORE_UNAVAILABLE when nothing answered
   * @throws the reason of `options.signal` when that aborts
   * @example
   * const { tasks } = await client.call("POST /agents/{agentId}/heartbeat", { params: { agentId: "w-1" }, body: {} });
   */
  async call<Key extends RouteKey>(
    key: Key,
    input: InputOf<Key> & LooseInput,
    options: CallOptions = {},
  ): Promise<ReplyOf<Key>> {
    const answer = await this.exchange(key, input, "application/json", options);
    if (!answer.ok && !(isAnswerInItself(key) && isHealthReport(answer))) {
      const advice = answer.status >= 500 ? adviceOn(answer.ids) : "";
      throw withRequestIdsOf(problemToError(key, answer), answer.ids, advice);
    }
    return this.#parse(key, answer);
  }

  /** The answer as it came, for the routes that can also give text. */
  protected async exchange(
    key: RouteKey,
    input: LooseInput,
    accept: string,
    options: CallOptions,
  ): Promise<WireAnswer & { ids: RequestIds | undefined }> {
    const { method, path } = fillPath(key, input.params);
    const url = new URL(`${this.#baseUrl}${path}`);
    addQuery(url, input.query);
    const idempotencyKey = options.idempotencyKey ?? (needsIdempotencyKey(key) ? this.newId() : undefined);
    const hasBody = method === "POST" || method === "PUT";
    const keyed = options.idempotencyKey !== undefined;
    const body = hasBody ? withRequestIds(key, input.body, keyed, () => this.newId()) : undefined;
    const ids = requestIdsOf(body, idempotencyKey);
    let shown: string | undefined;
    const request: WireRequest = {
      key,
      method,
      url: url.href,
      headers: this.#headers(method, accept, idempotencyKey, options.traceparent),
      token: async () => {
        shown = await this.ownToken.bearer();
        const provided = typeof this.#options.token === "function";
        return shown === undefined && !provided ? undefined : tokenToSend(shown, provided);
      },
      body: hasBody ? toJson(body) : undefined,
      ...this.#patience(key, input, options),
      signal: options.signal,
    };
    try {
      const answer = await this.#transport.send(request);
      // Nothing was done for a token that was refused; another one sends the same request in the name of the same agent.
      const again = answer.status === UNAUTHENTICATED_STATUS && (await this.ownToken.replaceRefused(shown));
      return { ...(again ? await this.#transport.send(request) : answer), ids };
    } catch (error) {
      const ours = isOurs(error) && error !== options.signal?.reason;
      throw ours ? withRequestIdsOf(error, ids, isUnreachable(error) ? adviceOn(ids) : "") : error;
    }
  }

  /** How long a try and all tries may take, and whether there may be a second one. */
  #patience(key: RouteKey, input: LooseInput, options: CallOptions) {
    const budget =
      options.retryBudgetMilliseconds ?? this.#options.retryBudgetMilliseconds ?? DEFAULT_BUDGET_MILLISECONDS;
    const timeout = this.#options.requestTimeoutMilliseconds ?? DEFAULT_TRY_MILLISECONDS;
    const wait = patienceOf(key, input);
    const repeatable = isRepeatable(key);
    return {
      repeatable,
      // Without a second try there is nothing to leave time for.
      tryMilliseconds: (repeatable && budget > 0 ? Math.min(timeout, budget / TRIES_PER_BUDGET) : timeout) + wait,
      // A long poll that was lost at the end of its wait is tried again, too.
      budgetMilliseconds: budget > 0 ? budget + wait : 0,
      refusedBudgetMilliseconds: this.#options.refusedBudgetMilliseconds ?? Number.POSITIVE_INFINITY,
      throttledBudgetMilliseconds: this.#options.throttledBudgetMilliseconds ?? (budget > 0 ? budget + wait : 0),
      onWait: this.#options.onWait,
    };
  }

  #headers(
    method: string,
    accept: string,
    idempotencyKey: string | undefined,
    traceparent: string | undefined,
  ): Headers {
    const headers = new Headers({ accept });
    const optional = {
      "content-type": method === "GET" ? undefined : "application/json",
      "x-agent-id": this.#options.agentId,
      "idempotency-key": idempotencyKey,
      traceparent: traceparentToSend(traceparent),
    };
    for (const [name, value] of Object.entries(optional)) {
      if (value !== undefined) setHeader(headers, name, value);
    }
    return headers;
  }

  #parse<Key extends RouteKey>(key: Key, answer: WireAnswer & { ids: RequestIds | undefined }): ReplyOf<Key> {
    try {
      // The one place where the wire is trusted: the same declaration that types this reply shapes it on the server.
      return JSON.parse(answer.text) as ReplyOf<Key>;
    } catch (cause) {
      const detail = `${key} answered ${answer.status} with something that is not JSON.`;
      throw new AgentCommunicationError("INTERNAL", detail + adviceOn(answer.ids), {
        cause,
        ...(answer.ids === undefined ? {} : { ids: answer.ids }),
      });
    }
  }
}

function isHealthReport(answer: WireAnswer): boolean {
  return answer.status === 503 && answer.contentType.startsWith("application/json") && answer.text.includes('"checks"');
}
