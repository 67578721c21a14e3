import { z } from "zod";
import type { Config } from "../config/config.ts";
import type { Allow } from "../gates/access.ts";
import type { Caller } from "../gates/caller.ts";
import { CONTRACT, type Contract } from "../model/contract/contract.ts";
import { type OperationKey, REPEATS, type Repeat } from "../model/operations.ts";
import type { Services } from "../services.ts";
import type { LogFields } from "../trace/log.ts";

/**
 * The route table's vocabulary. The shapes of an operation are in src/lib/model/contract/, which gives the client its types. Its route is
 * declared in src/functions/ by `defineRoute`; from that come the Azure Functions registration, the local host's route and the OpenAPI
 * document.
 */

export type HttpMethod = "GET" | "POST" | "PUT" | "DELETE";

/** A reply: JSON in `body`, or text of another type in `text`. */
export type Reply<Body> =
  | { status: number; body: Body; headers?: Record<string, string> }
  | { status: number; text: string; contentType: string; headers?: Record<string, string> };

/** What a handler gets: parsed input, and nothing by which it could tell the host. */
export interface RouteInput<Params, Query, Body> {
  params: Params;
  query: Query;
  body: Body;
  /** The value of a header by its lower-case name; repeated ones arrive joined by commas. */
  header(name: string): string | undefined;
  /** Who calls, as far as that was proved. What the caller may do has been decided already. */
  caller: Caller;
  /** Aborts when the caller has gone or the host stops; a long poll must then end without claiming. */
  signal: AbortSignal;
}

type Shape = z.ZodType | undefined;
type Out<S extends Shape> = S extends z.ZodType ? z.output<S> : undefined;

/** A call of the route as it may be: the body, where the route takes one, and the JSON of the reply. */
export type Example<Body extends Shape, ReplySchema extends z.ZodType> = {
  reply: z.input<ReplySchema>;
} & (Body extends z.ZodType ? { body: z.input<Body> } : { body?: undefined });

/** The base path of the API: what clients have at the end of their base URL. */
export const BASE_PATH = "/api";

/** One route of the API. `reply` is the JSON of every 2xx. */
export interface Route<
  Key extends OperationKey = OperationKey,
  Params extends Shape = Shape,
  Query extends Shape = Shape,
  Body extends Shape = Shape,
  ReplySchema extends z.ZodType = z.ZodType,
> {
  /** Method and path, the route's name in the table: `POST /agents/{agentId}/heartbeat`. */
  key: Key;
  /** The method of the key. */
  method: HttpMethod;
  /** The path of the key under the base path, as both hosts serve it: `/api/agents/{agentId}/heartbeat`. */
  path: string;
  /** True where a call may wait (`waitSeconds`): HEAD is not served there. */
  waits: boolean;
  /** The Functions registration's name and the OpenAPI operationId. Must not sort a parameterised path before a literal one. */
  name: string;
  /** What a call does, in one line. */
  summary: string;
  /** What the summary leaves out and a caller has to know. OpenAPI adds what `repeat` says. */
  description: string;
  /** Both parts satisfy the schemas of the route. */
  example: Example<Body, ReplySchema>;
  /** Whether a call may be sent again after a lost answer, from the table that the client reads too. */
  repeat: Repeat;
  /** True where idle agents and probes call again and again: its span is kept only when something came of the call. */
  idle: boolean;
  /** Who may call it, and for what: `anyone` needs no credential; a role that is not named is refused. */
  allow: Allow<Services>;
  params: Params;
  query: Query;
  body: Body;
  reply: ReplySchema;
  /** The 2xx statuses that it answers with. */
  statuses: readonly number[];
  /** True where the agents that a request names are others, never the one that it comes from: see call-context-of.ts. */
  namesOthers?: true;
  /** True where a call gives or takes rights: an admin's own are read anew then, not up to 5 s old. */
  changesRights?: true;
  /**
   * True where a short request may have a reply of megabytes: such calls take turns with each other. Every GET that takes a `limit` is
   * one. 1,280 peeks at once, each of 4 MB and 30 ms, kept everybody else waiting for 31 s.
   */
  longReply?: true;
  /**
   * True where a short request may make 200 tasks or end them: such calls take turns with long bodies. 256 of them at once kept everybody
   * else waiting for 4 s.
   */
  longWork?: true;
  /** Bytes; REQUEST_MAX_BYTES unless it is a batch. */
  maxBodyBytes?: number;
  handler(
    services: Services,
    input: RouteInput<Out<Params>, Out<Query>, Out<Body>>,
  ): Promise<Reply<z.output<ReplySchema>>>;
}

/**
 * The methods that a host serves a route for. HEAD goes wherever GET does (RFC 9110, section 9.3.2), answered with the headers of GET and
 * no body; but not where a GET can wait: headers are not worth an open connection.
 */
export function methodsOf(route: Route): (HttpMethod | "HEAD")[] {
  return route.method === "GET" && !route.waits ? ["GET", "HEAD"] : [route.method];
}

const METHODS: readonly HttpMethod[] = ["GET", "POST", "PUT", "DELETE"];

function methodOf(key: string): HttpMethod {
  const method = METHODS.find((candidate) => key.startsWith(`${candidate} /`));
  if (method === undefined) throw new Error(`not a route key: ${key}`);
  return method;
}

/** The route of an operation: its shapes are those of the contract. */
type RouteOf<Key extends OperationKey> = Route<
  Key,
  Contract[Key]["params"],
  Contract[Key]["query"],
  Contract[Key]["body"],
  Contract[Key]["reply"]
>;

/** What the key alone decides: the method, and what the client knows of the operation, too. */
type Known = "method" | "path" | "waits" | "repeat" | "params" | "query" | "body" | "reply";

/** Declares the route of an operation. Its shapes and `repeat` come from src/lib/model/, which the client reads as well. */
export function defineRoute<Key extends OperationKey>(route: Omit<RouteOf<Key>, Known>): RouteOf<Key> {
  const { params, query, body, reply } = CONTRACT[route.key];
  const method = methodOf(route.key);
  const isList = method === "GET" && query !== undefined && "limit" in query.shape;
  const shapes = [query, body].map((part) => (part instanceof z.ZodObject ? part.shape : {}));
  return {
    ...route,
    ...(isList && { longReply: true }),
    method,
    path: BASE_PATH + route.key.slice(method.length + 1),
    waits: shapes.some((shape) => "waitSeconds" in shape),
    repeat: REPEATS[route.key],
    params,
    query,
    body,
    reply,
  };
}

/** Exactly two timers, declared the same way. */
export interface Timer {
  name: "sweep" | "maintenance";
  /** NCRONTAB in UTC, from the settings. */
  schedule(config: Config): string;
  /**
   * Whether the run that was due at `due` (milliseconds since the epoch) never came, because no process ran. Asked by the local host at
   * its start; the Functions host keeps its own record of runs and makes up for a missed one by itself.
   */
  missed?(services: Services, due: number): Promise<boolean>;
  /** @returns what it did: counts, for the log */
  handler(services: Services): Promise<LogFields>;
}
