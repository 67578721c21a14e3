import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { sourceOfAddress } from "../lib/gates/source.ts";
import { problemReply } from "../lib/http/problem.ts";
import type { Clock } from "../lib/model/clock.ts";
import { AgentCommunicationError } from "../lib/model/errors.ts";
import type { Log } from "../lib/trace/log.ts";
import { Arrivals } from "./arrivals.ts";
import { UnreadAnswers } from "./unread-answers.ts";

/**
 * What one connection, one address and all of them together may take of the process.
 *
 * Requests of one connection are carried out one after the other, as their answers have to be sent anyway (RFC 9112, section 9.3.2):
 * so a connection holds one answer that its caller has not read, however many requests it sends ahead.
 */

/** Requests that may wait behind the one that is carried out; the next one is refused, and the connection closed. */
const PIPELINED_MAX = 16;
/** What requests sent ahead take, of one connection and of all: past it a connection that goes on is closed. */
const AHEAD_MAX_BYTES = 2 * 1024 * 1024;
const AHEAD_IN_ALL_MAX_BYTES = 32 * 1024 * 1024;
/** What a request takes in addition to its headers: 1.1 kB, measured with two million of 27 bytes. */
const REQUEST_BYTES = 1_024;
/** Answers that callers have not read yet, in bytes: past it connections are closed, of the address that reads least. */
const UNREAD_MAX_BYTES = 64 * 1024 * 1024;
/** How often a full address is logged: a flood must not fill the log as well. */
const LOG_MILLISECONDS = 60_000;

export interface ConnectionLimits {
  /** Open connections of one address; undefined behind a proxy, where many callers have the proxy's. */
  perAddress: number | undefined;
  unreadBytes?: number;
  pipelined?: number;
  aheadBytes?: number;
  aheadInAllBytes?: number;
}

interface Waiting {
  request: IncomingMessage;
  response: ServerResponse;
}

interface State {
  current: Waiting | undefined;
  /** The last request, when it was answered before all of it had arrived. */
  answeredEarly: IncomingMessage | undefined;
  queue: Waiting[];
  /** Nothing more is carried out: the connection closes when what is under way has been answered. */
  ended: boolean;
  /** What requests behind the one that is carried out take, those among them that are refused. Node keeps each until it is answered. */
  aheadBytes: number;
  /** Called when nothing is carried out any more. */
  drained: (() => void) | undefined;
}

/** What a request takes until it is answered, its body apart. */
function bytesOf(request: IncomingMessage): number {
  let bytes = REQUEST_BYTES + (request.url?.length ?? 0);
  for (const text of request.rawHeaders) bytes += text.length;
  return bytes;
}

/**
 * Node makes an error with a stack trace for each request of a connection that closes before it was answered: 10 µs each, of
 * thousands, five times what reading them takes. These errors are not shown anywhere, so they are made without traces.
 */
function destroyWithoutTraces(socket: Socket): void {
  let limit = Error.stackTraceLimit;
  // Listeners are called one after the other: node's own, which aborts the requests, comes between these two.
  socket.prependOnceListener("close", () => {
    limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
  });
  socket.once("close", () => {
    Error.stackTraceLimit = limit;
  });
  socket.destroy();
}

export class Connections {
  readonly #limits: Required<ConnectionLimits>;
  readonly #log: Log;
  readonly #states = new WeakMap<Socket, State>();
  readonly #byAddress = new Map<string, number>();
  readonly #unread: UnreadAnswers;
  #aheadBytes = 0;
  #loggedAt = Number.NEGATIVE_INFINITY;
  readonly #clock: Clock;
  readonly #arrivals: Arrivals;

  constructor(limits: ConnectionLimits, log: Log, clock: Clock) {
    this.#limits = {
      unreadBytes: UNREAD_MAX_BYTES,
      pipelined: PIPELINED_MAX,
      aheadBytes: AHEAD_MAX_BYTES,
      aheadInAllBytes: AHEAD_IN_ALL_MAX_BYTES,
      ...limits,
    };
    this.#unread = new UnreadAnswers(this.#limits.unreadBytes);
    this.#log = log;
    this.#clock = clock;
    this.#arrivals = new Arrivals(clock);
  }

  /**
   * Counts connections by address, and closes those past the limit as they come. Behind a proxy neither these nor what is sent ahead
   * tells callers apart.
   */
  watch(server: Server): void {
    const { perAddress } = this.#limits;
    if (perAddress === undefined) return;
    this.#arrivals.watch(server);
    server.on("connection", (socket: Socket) => {
      const address = sourceOfAddress(socket.remoteAddress);
      const open = this.#byAddress.get(address) ?? 0;
      if (open >= perAddress) {
        socket.destroy();
        this.#logFull(address);
        return;
      }
      this.#byAddress.set(address, open + 1);
      socket.once("close", () => {
        const left = (this.#byAddress.get(address) ?? 1) - 1;
        if (left > 0) this.#byAddress.set(address, left);
        else this.#byAddress.delete(address);
      });
    });
  }

  /** Carries out the requests of a connection by `serve`, one after the other. */
  inTurn(serve: RequestListener): RequestListener {
    return (request, response) => {
      const state = this.#stateOf(request.socket);
      const waiting = { request, response };
      if (state.current === undefined && !state.ended) {
        this.#carryOut(state, waiting, serve);
        return;
      }
      // Also requests that will not be answered: a long poll holds up everything behind it for as long as it waits.
      if (!this.#keepAhead(state, request) || state.ended) return;
      if (state.queue.length < this.#limits.pipelined) state.queue.push(waiting);
      else {
        state.ended = true;
        this.#refuse(response);
      }
    };
  }

  /** Notes that an answer of so many bytes is being sent; it counts until its caller has read it. */
  sending(response: ServerResponse, bytes: number): void {
    this.#unread.add(response, bytes);
  }

  /**
   * Calls `then` when every whole request of the connection has been answered; at once when none is in progress. Later requests
   * of the connection are not carried out. Where the request that could not be read to its end has its answer already (a refusal by
   * its headers), the connection closes instead: a second answer would be taken for that of another request.
   */
  afterLast(socket: Socket, then: () => void): void {
    const state = this.#stateOf(socket);
    if (state.ended) return;
    state.ended = true;
    // What is not whole is what could not be read.
    state.queue = state.queue.filter(({ request }) => request.complete);
    const { current, answeredEarly } = state;
    if (current?.request.complete === true) state.drained = then;
    else if (current?.response.headersSent === true) state.drained = () => socket.destroySoon();
    else if (answeredEarly?.complete === false) socket.destroySoon();
    else then();
  }

  #stateOf(socket: Socket): State {
    let state = this.#states.get(socket);
    if (state === undefined) {
      const made: State = {
        current: undefined,
        answeredEarly: undefined,
        queue: [],
        ended: false,
        aheadBytes: 0,
        drained: undefined,
      };
      socket.once("close", () => {
        made.ended = true;
        made.queue = [];
        this.#changeAhead(made, -made.aheadBytes);
      });
      this.#states.set(socket, made);
      state = made;
    }
    return state;
  }

  #changeAhead(state: State, bytes: number): void {
    state.aheadBytes += bytes;
    this.#aheadBytes += bytes;
  }

  /** False when there is no room for what the connection sends ahead: it is closed, even with answers outstanding. */
  #keepAhead(state: State, request: IncomingMessage): boolean {
    const { socket } = request;
    // The rest of what was read before it was closed.
    if (socket.destroyed) return false;
    this.#changeAhead(state, bytesOf(request));
    const { aheadBytes, aheadInAllBytes } = this.#limits;
    if (state.aheadBytes <= aheadBytes && this.#aheadBytes <= aheadInAllBytes) return true;
    if (this.#limits.perAddress !== undefined) this.#arrivals.slow(sourceOfAddress(socket.remoteAddress));
    destroyWithoutTraces(socket);
    return false;
  }

  #carryOut(state: State, waiting: Waiting, serve: RequestListener): void {
    state.current = waiting;
    state.answeredEarly = undefined;
    // Closed: written and handed to the system, or the connection broke.
    waiting.response.once("close", () => {
      this.#unread.forget(waiting.response);
      state.current = undefined;
      if (!waiting.request.complete) state.answeredEarly = waiting.request;
      // The answer would not arrive: the caller has gone, or this one was to be the last (RFC 9112, section 9.6).
      if (!waiting.request.socket.writable) state.queue = [];
      const next = state.queue.shift();
      if (next === undefined) {
        state.drained?.();
        return;
      }
      this.#changeAhead(state, -bytesOf(next.request));
      this.#carryOut(state, next, serve);
    });
    serve(waiting.request, waiting.response);
  }

  /** Goes out behind the answers before it; the connection closes then. */
  #refuse(response: ServerResponse): void {
    const detail = `At most ${this.#limits.pipelined} requests may wait on one connection; send more when those are answered.`;
    const { status, headers, text } = problemReply(new AgentCommunicationError("RATE_LIMITED", detail));
    response.writeHead(status, { ...headers, connection: "close" }).end(text);
  }

  #logFull(address: string): void {
    const now = this.#clock.monotonic();
    if (now - this.#loggedAt < LOG_MILLISECONDS) return;
    this.#loggedAt = now;
    this.#log.info("an address has reached its limit of connections", { address, limit: this.#limits.perAddress });
  }
}
